// Command distribution is the registry of the CNCF on the loopback interface,
// for tests: it prints its address, keeps everything in memory, and ends with
// its standard input. With -htpasswd FILE it wants one of the logins of that
// file. It is a module of its own: it would move versions of Twice's.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"

	"github.com/distribution/distribution/v3/configuration"
	_ "github.com/distribution/distribution/v3/registry/auth/htpasswd"
	"github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/inmemory"
	"github.com/sirupsen/logrus"
)

func main() {
	htpasswd := flag.String("htpasswd", "", "file of logins")
	flag.Parse()
	logrus.SetOutput(io.Discard)
	config := &configuration.Configuration{
		Storage: configuration.Storage{"inmemory": configuration.Parameters{}, "delete": configuration.Parameters{"enabled": true}},
	}
	config.HTTP.Secret = "of tests only"
	config.Catalog.MaxEntries = 100
	if *htpasswd != "" {
		config.Auth = configuration.Auth{"htpasswd": configuration.Parameters{"realm": "registry", "path": *htpasswd}}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	app := handlers.NewApp(context.Background(), config)
	go func() { log.Fatal(http.Serve(l, app)) }()
	fmt.Println(l.Addr())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
