package source

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/craton-co/twice/internal/fault"
)

// sshServer serves git repositories below dir to whoever has the key, and
// returns its address and its line for known_hosts.
func sshServer(t *testing.T, dir string, key ssh.PublicKey) (address, knownHosts string) {
	t.Helper()
	_, hostKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(hostKey)
	if err != nil {
		t.Fatal(err)
	}
	config := &ssh.ServerConfig{PublicKeyCallback: func(_ ssh.ConnMetadata, k ssh.PublicKey) (*ssh.Permissions, error) {
		if string(k.Marshal()) != string(key.Marshal()) {
			return nil, fmt.Errorf("not a key of ours")
		}
		return nil, nil
	}}
	config.AddHostKey(signer)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go serveSSH(c, config, dir)
		}
	}()
	port := l.Addr().(*net.TCPAddr).Port
	return fmt.Sprintf("ssh://git@127.0.0.1:%d", port), fmt.Sprintf("[127.0.0.1]:%d %s", port, ssh.MarshalAuthorizedKey(signer.PublicKey()))
}

func serveSSH(c net.Conn, config *ssh.ServerConfig, dir string) {
	conn, channels, requests, err := ssh.NewServerConn(c, config)
	if err != nil {
		return
	}
	defer conn.Close()
	go ssh.DiscardRequests(requests)
	for n := range channels {
		ch, requests, err := n.Accept()
		if err != nil {
			return
		}
		for r := range requests {
			var line struct{ Command string }
			if r.Type != "exec" || ssh.Unmarshal(r.Payload, &line) != nil || !strings.HasPrefix(line.Command, "git-upload-pack '/") {
				_ = r.Reply(r.Type == "env", nil)
				continue
			}
			_ = r.Reply(true, nil)
			repo := filepath.Join(dir, strings.Trim(strings.TrimPrefix(line.Command, "git-upload-pack "), "'"))
			cmd := exec.Command("git", "-c", "safe.directory=*", "-c", "uploadpack.allowAnySHA1InWant=true", "upload-pack", repo)
			cmd.Stdin, cmd.Stdout, cmd.Stderr = ch, ch, ch.Stderr()
			status := uint32(0)
			if cmd.Run() != nil {
				status = 1
			}
			_, _ = ch.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{status}))
			ch.Close()
		}
	}
}

// A private repository over SSH wants an agent with a key, and the host's key
// in known_hosts: the refusal says so, and that is enough.
func TestSSHAgent(t *testing.T) {
	if _, err := exec.LookPath("ssh"); err != nil {
		t.Skip("no ssh on this machine")
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	repo, commit := newRepo(t, "Cargo.toml", manifestA)
	address, known := sshServer(t, filepath.Dir(repo), key)
	hosts := filepath.Join(tempDir(t), "known_hosts")
	write(t, filepath.Dir(hosts), "known_hosts", known)
	t.Setenv("GIT_SSH_COMMAND", "ssh -F /dev/null -o BatchMode=yes -o StrictHostKeyChecking=yes -o IdentityFile=/nonexistent -o GlobalKnownHostsFile=/dev/null -o UserKnownHostsFile="+hosts)
	t.Setenv("SSH_AUTH_SOCK", "/nonexistent")
	url := address + "/" + filepath.Base(repo)
	opt := func() GitOptions { return GitOptions{URLs: []string{url}, Commit: commit, Dir: tempDir(t)} }

	// follows: source: `git ls-remote %s` has to work: an agent with a key that it takes
	_, err = FetchGit(context.Background(), opt())
	if err == nil || !strings.Contains(err.Error(), "Permission denied") || !strings.Contains(fault.HintOf(err), "an agent with a key that it takes, and its own in known_hosts") {
		t.Fatalf("%v (%s)", err, fault.HintOf(err))
	}

	keys := agent.NewKeyring()
	if err := keys.Add(agent.AddedKey{PrivateKey: private}); err != nil {
		t.Fatal(err)
	}
	// A socket's name can't be long.
	dir, err := os.MkdirTemp("", "agent")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	l, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _ = agent.ServeAgent(keys, c); c.Close() }()
		}
	}()
	t.Setenv("SSH_AUTH_SOCK", l.Addr().String())
	if _, err := FetchGit(context.Background(), opt()); err != nil {
		t.Errorf("with an agent: %v", err)
	}
	if data, err := GitFile(context.Background(), opt(), "Cargo.toml"); err != nil || string(data) != manifestA {
		t.Errorf("%q, %v", data, err)
	}
	write(t, filepath.Dir(hosts), "known_hosts", "")
	if _, err := FetchGit(context.Background(), opt()); err == nil || !strings.Contains(err.Error(), "Host key verification failed") || !strings.Contains(fault.HintOf(err), "known_hosts") {
		t.Errorf("an unknown host: %v (%s)", err, fault.HintOf(err))
	}
}
