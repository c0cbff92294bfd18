package referrer

import "testing"

// The same document is the same manifest, wherever it is pushed.
func TestGoldenManifest(t *testing.T) {
	text, d, err := OfBundle([]byte("{}"), "https://slsa.dev/provenance/v1").Manifest(subject("image"))
	if err != nil {
		t.Fatal(err)
	}
	const want = "sha256:04ea73bd1e33133328d07821d89740c4aaa521b754c02e257b548baeaa49a0ab"
	if d.Digest.String() != want {
		t.Errorf("%s, want %s\n%s", d.Digest, want, text)
	}
}
