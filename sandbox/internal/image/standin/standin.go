// Package standin is what runs for an image that the sandbox has no program
// for: it answers on the ports that the container declares, and ends when told.
package standin

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

// Run serves on ports, each as "8080/TCP", until ctx is done and the requests
// in flight are answered. Ports of other protocols than TCP are left alone.
func Run(ctx context.Context, ports []string) error {
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: handler("/etc/resolv.conf", "53")}
	listeners, err := listen(ctx, ports)
	if err != nil {
		return err
	}
	failed := make(chan error, len(listeners))
	var serving sync.WaitGroup
	for _, l := range listeners {
		serving.Go(func() {
			if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				failed <- err
			}
		})
	}
	defer serving.Wait()
	select {
	case err := <-failed:
		return errors.Join(err, server.Close())
	case <-ctx.Done():
		return server.Shutdown(context.WithoutCancel(ctx)) // the pod's grace period is the limit
	}
}

func handler(resolvConf, dnsPort string) http.Handler {
	hostname, _ := os.Hostname()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		if strings.HasPrefix(r.URL.Path, "/resolve/") {
			resolve(w, r, resolvConf, dnsPort)
			return
		}
		_, _ = fmt.Fprintf(w, "%s %s answered by %s\n", r.Method, r.URL.Path, hostname)
	})
}

func listen(ctx context.Context, ports []string) ([]net.Listener, error) {
	var config net.ListenConfig
	var listeners []net.Listener
	for _, port := range ports {
		number, protocol, _ := strings.Cut(port, "/")
		if protocol != "" && protocol != "TCP" {
			continue
		}
		l, err := config.Listen(ctx, "tcp", ":"+number)
		if err != nil {
			for _, open := range listeners {
				err = errors.Join(err, open.Close())
			}
			return nil, err
		}
		listeners = append(listeners, l)
	}
	return listeners, nil
}
