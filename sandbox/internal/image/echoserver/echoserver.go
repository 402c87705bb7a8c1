// Package echoserver answers every request with what it got, in the words of
// registry.k8s.io/echoserver:1.10, for which it stands in the sandbox. It is a
// plain server: told to stop, it takes no more connections at once and
// finishes the requests it has, so what goes wrong around it can be seen.
package echoserver

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"
)

// serverVersion is what the real image reports.
const serverVersion = "nginx: 1.13.3 - lua: 10008"

// maxBody is how much of a request's body is echoed, in bytes; it is nginx's
// client_max_body_size, beyond which it refuses.
const maxBody = 1 << 20

// Pod is what the answer says of the server itself.
type Pod struct{ Hostname, Node, Name, Namespace, IP string }

// PodFromEnv reads the variables that the image documents.
func PodFromEnv(getenv func(string) string) Pod {
	hostname, _ := os.Hostname()
	return Pod{
		Hostname: hostname, Node: getenv("NODE_NAME"), Name: getenv("POD_NAME"),
		Namespace: getenv("POD_NAMESPACE"), IP: getenv("POD_IP"),
	}
}

// Serve answers until ctx is done. Then it closes the listener at once and
// returns when the requests in flight are answered.
func Serve(ctx context.Context, listener net.Listener, pod Pod) error {
	server := &http.Server{Handler: Handler(pod), ReadHeaderTimeout: time.Minute}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	err := server.Shutdown(context.WithoutCancel(ctx)) // the pod's grace period is the limit
	if serveErr := <-served; !errors.Is(serveErr, http.ErrServerClosed) {
		return serveErr
	}
	return err
}

// Handler echoes.
func Handler(pod Pod) http.Handler {
	head := header(pod)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err != nil {
			http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
			return
		}
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("Server", "echoserver")
		var out bytes.Buffer
		out.WriteString(head)
		writeRequest(&out, r)
		writeHeaders(&out, r)
		writeBody(&out, body)
		_, _ = w.Write(out.Bytes())
	})
}

// header is the part that is the same for every request.
func header(pod Pod) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n\nHostname: %s\n\nPod Information:\n", cmp.Or(pod.Hostname, "N/A"))
	if pod.Name == "" {
		b.WriteString("\t-no pod information available-\n")
	} else {
		fmt.Fprintf(&b, "\tnode name:\t%s\n\tpod name:\t%s\n\tpod namespace:\t%s\n\tpod IP:\t%s\n",
			cmp.Or(pod.Node, "N/A"), pod.Name, cmp.Or(pod.Namespace, "N/A"), cmp.Or(pod.IP, "N/A"))
	}
	fmt.Fprintf(&b, "\nServer values:\n\tserver_version=%s\n\n", serverVersion)
	return b.String()
}

func writeRequest(out *bytes.Buffer, r *http.Request) {
	client, _, _ := net.SplitHostPort(r.RemoteAddr)
	host, port, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	if local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		_, port, _ = net.SplitHostPort(local.String())
	}
	fmt.Fprintf(out, "Request Information:\n\tclient_address=%s\n\tmethod=%s\n\treal path=%s\n\tquery=%s\n",
		client, r.Method, r.RequestURI, r.URL.RawQuery)
	fmt.Fprintf(out, "\trequest_version=%d.%d\n\trequest_scheme=http\n\trequest_uri=http://%s:%s%s\n\n",
		r.ProtoMajor, r.ProtoMinor, host, port, r.RequestURI)
}

func writeHeaders(out *bytes.Buffer, r *http.Request) {
	lines := []string{"\thost=" + r.Host + "\n"}
	for name, values := range r.Header {
		lines = append(lines, "\t"+strings.ToLower(name)+"="+strings.Join(values, ", ")+"\n")
	}
	slices.Sort(lines)
	out.WriteString("Request Headers:\n")
	for _, line := range lines {
		out.WriteString(line)
	}
}

func writeBody(out *bytes.Buffer, body []byte) {
	out.WriteString("\nRequest Body:\n")
	if len(body) == 0 {
		out.WriteString("\t-no body in request-")
	}
	out.Write(body)
	out.WriteString("\n\n")
}
