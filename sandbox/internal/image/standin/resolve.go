package standin

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// patience is how long one answer of a resolver is awaited. The C library waits
// 5 s and asks again, which hides what is lost.
const patience = 2 * time.Second

// resolve is GET /resolve/NAME: it asks the pod's resolver once, over UDP and
// without a second try, so that every query that is lost is seen.
func resolve(w http.ResponseWriter, r *http.Request, conf, port string) {
	name := strings.TrimPrefix(r.URL.Path, "/resolve/")
	addresses, err := ask(r.Context(), name, conf, port)
	if err != nil {
		http.Error(w, fmt.Sprintf("resolve %s: %v", name, err), http.StatusBadGateway)
		return
	}
	hostname, _ := os.Hostname()
	_, _ = fmt.Fprintf(w, "%s is %s, answered by %s\n", name, strings.Join(addresses, " "), hostname)
}

func ask(ctx context.Context, name, conf, port string) (addresses []string, err error) {
	config, err := dns.ClientConfigFromFile(conf)
	if err != nil {
		return nil, err
	}
	if len(config.Servers) == 0 {
		return nil, fmt.Errorf("%s names no resolver", conf)
	}
	client := dns.Client{Timeout: patience}
	query := new(dns.Msg).SetQuestion(dns.Fqdn(name), dns.TypeA)
	answer, _, err := client.ExchangeContext(ctx, query, net.JoinHostPort(config.Servers[0], port))
	if err != nil {
		return nil, err
	}
	for _, record := range answer.Answer {
		if a, ok := record.(*dns.A); ok {
			addresses = append(addresses, a.A.String())
		}
	}
	if len(addresses) == 0 {
		return nil, fmt.Errorf("the answer is %s", dns.RcodeToString[answer.Rcode])
	}
	return addresses, nil
}
