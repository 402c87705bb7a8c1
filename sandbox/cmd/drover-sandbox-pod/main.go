// drover-sandbox-pod is what containers of the sandbox are made of: `init`
// turns a process that the node has started into a container, and the other
// words are the programs that images stand for (package images). It is a
// binary of its own so that a container starts in milliseconds: it does not
// import Kubernetes' components.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"

	"github.com/droverhq/drover/sandbox/internal/image/echoserver"
	"github.com/droverhq/drover/sandbox/internal/image/ingress"
	"github.com/droverhq/drover/sandbox/internal/image/lbcontroller"
	"github.com/droverhq/drover/sandbox/internal/image/standin"
	"github.com/droverhq/drover/sandbox/internal/rootfs"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: drover-sandbox-pod init|echoserver|aws-load-balancer-controller|nginx-ingress|standin [argument...]")
		os.Exit(2)
	}
	word, args := os.Args[1], os.Args[2:]
	if word == "init" {
		os.Exit(rootfs.Init())
	}
	if err := serve(word, args); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", word, err)
		os.Exit(1)
	}
}

// serve runs the program of an image until the signal that stops it.
func serve(word string, args []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGTERM, unix.SIGQUIT, unix.SIGINT)
	defer stop()
	switch word {
	case "echoserver":
		var config net.ListenConfig
		listener, err := config.Listen(ctx, "tcp", ":8080")
		if err != nil {
			return err
		}
		return echoserver.Serve(ctx, listener, echoserver.PodFromEnv(os.Getenv))
	case "aws-load-balancer-controller":
		return lbcontroller.Run(ctx, args, os.Getenv, os.Stderr)
	case "nginx-ingress":
		return ingress.Run(ctx, args, os.Stderr)
	case "standin":
		return standin.Run(ctx, args)
	}
	return errors.New("there is no such program")
}
