package application

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// The cookies by which clients stick to a target and to a target group. The second
// of each is for requests from other sites.
const (
	targetCookie = "AWSALB"
	groupCookie  = "AWSALBTG"
	crossSite    = "CORS"
)

// handler answers what comes to one address and port.
func (b *Balancer) handler(at netip.AddrPort) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.mu.Lock()
		listener, zone := b.spec.Listeners[int(at.Port())], b.spec.Addresses[at.Addr()]
		b.mu.Unlock()
		action := route(listener.Rules, r)
		switch {
		case action.Fixed != nil:
			answer(w, *action.Fixed)
		case action.Redirect != nil:
			w.Header().Set("Server", "awselb/2.0")
			http.Redirect(w, r, action.Redirect.location(r, protocol(r), int(at.Port())), action.Redirect.Status)
		default:
			b.forward(w, r, action, zone, int(at.Port()))
		}
	})
}

func protocol(r *http.Request) string {
	if r.TLS != nil {
		return "https"
	}
	return "http"
}

func answer(w http.ResponseWriter, f Fixed) {
	w.Header().Set("Server", "awselb/2.0")
	if f.ContentType != "" {
		w.Header().Set("Content-Type", f.ContentType)
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(f.Body)))
	w.WriteHeader(f.Status)
	_, _ = io.WriteString(w, f.Body)
}

// fail answers with an error of the balancer's own.
func fail(w http.ResponseWriter, status int) {
	title := fmt.Sprintf("%d %s", status, http.StatusText(status))
	if status == http.StatusServiceUnavailable {
		title = "503 Service Temporarily Unavailable"
	}
	if status == http.StatusGatewayTimeout {
		title = "504 Gateway Time-out"
	}
	answer(w, Fixed{Status: status, ContentType: "text/html",
		Body: "<html>\r\n<head><title>" + title + "</title></head>\r\n<body>\r\n<center><h1>" + title + "</h1></center>\r\n</body>\r\n</html>\r\n"})
}

// forward sends a request to a target, and its answer back.
func (b *Balancer) forward(w http.ResponseWriter, r *http.Request, action Action, zone string, port int) {
	arn := action.group(r)
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	f := b.take(arn, zone, r, cancel)
	if f == nil {
		fail(w, http.StatusServiceUnavailable)
		return
	}
	defer b.release(f)
	b.mu.Lock()
	scheme, stay := strings.ToLower(f.group.spec.Protocol), f.group.spec.Stickiness
	b.mu.Unlock()
	proxy := httputil.ReverseProxy{
		Rewrite:       func(p *httputil.ProxyRequest) { rewrite(p, scheme, f.spec.At, port) },
		Transport:     f.http,
		FlushInterval: -1, // every part at once, as it comes
		ErrorLog:      log.New(quiet{}, "", 0),
		ModifyResponse: func(resp *http.Response) error {
			stick(resp.Header, targetCookie, f.token, stay)
			stick(resp.Header, groupCookie, groupToken(arn), time.Duration(action.Sticky)*time.Second)
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			if r.Context().Err() != nil {
				return // the client is gone
			}
			b.log.Debug("a target failed", "target", f.id, "err", err)
			var late net.Error
			if errors.As(err, &late) && late.Timeout() {
				fail(w, http.StatusGatewayTimeout)
				return
			}
			fail(w, http.StatusBadGateway)
		},
	}
	proxy.ServeHTTP(w, r.WithContext(ctx))
}

// take chooses a target for a request and counts the request as its own at once;
// nil if there is none.
func (b *Balancer) take(arn, zone string, r *http.Request, cancel context.CancelFunc) *flight {
	tokens := cookies(r, targetCookie)
	b.mu.Lock()
	defer b.mu.Unlock()
	g := b.groups[arn]
	if g == nil {
		return nil
	}
	t := g.choose(zone, tokens)
	if t == nil {
		return nil
	}
	f := &flight{t, cancel}
	t.flights[f] = struct{}{}
	return f
}

func (b *Balancer) release(f *flight) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(f.flights, f)
	if f.out && len(f.flights) == 0 {
		f.http.CloseIdleConnections()
	}
}

// group is the target group of a request: the one that the client sticks to, or
// one by weight.
func (a Action) group(r *http.Request) string {
	if a.Sticky > 0 {
		for _, token := range cookies(r, groupCookie) {
			for _, g := range a.Forward {
				if g.Weight > 0 && token == groupToken(g.Group) {
					return g.Group
				}
			}
		}
	}
	return a.share()
}

func groupToken(arn string) string {
	sum := sha256.Sum256([]byte(arn))
	return hex.EncodeToString(sum[:])
}

func cookies(r *http.Request, name string) (values []string) {
	for _, of := range []string{name, name + crossSite} {
		for _, c := range r.CookiesNamed(of) {
			values = append(values, c.Value)
		}
	}
	return values
}

func stick(h http.Header, name, token string, stay time.Duration) {
	if stay == 0 {
		return
	}
	own := http.Cookie{Name: name, Value: token, Path: "/", Expires: time.Now().Add(stay)}
	other := own
	other.Name, other.SameSite, other.Secure = name+crossSite, http.SameSiteNoneMode, true
	h.Add("Set-Cookie", own.String())
	h.Add("Set-Cookie", other.String())
}

// rewrite makes of a client's request the one that goes to the target.
func rewrite(p *httputil.ProxyRequest, scheme string, to netip.AddrPort, port int) {
	p.Out.URL.Scheme, p.Out.URL.Host, p.Out.Host = scheme, to.String(), p.In.Host
	p.Out.URL.RawQuery = p.In.URL.RawQuery
	client, _, _ := net.SplitHostPort(p.In.RemoteAddr)
	chain := append(p.In.Header.Values("X-Forwarded-For"), client)
	p.Out.Header.Set("X-Forwarded-For", strings.Join(chain, ", "))
	p.Out.Header.Set("X-Forwarded-Proto", protocol(p.In))
	p.Out.Header.Set("X-Forwarded-Port", strconv.Itoa(port))
	if host := p.In.Header.Get("X-Forwarded-Host"); host != "" {
		p.Out.Header.Set("X-Forwarded-Host", host)
	}
	if p.In.Header.Get("X-Amzn-Trace-Id") == "" {
		p.Out.Header.Set("X-Amzn-Trace-Id", trace(time.Now()))
	}
	if p.Out.Body == nil {
		p.Out.Body = once{}
	}
}

// once is the body of a request that has none: with it a Transport does not send a
// request again whose connection was closed by the target in the very moment.
type once struct{}

func (once) Read([]byte) (int, error) { return 0, io.EOF }
func (once) Close() error             { return nil }

// trace is a new X-Amzn-Trace-Id.
func trace(now time.Time) string {
	var id [12]byte
	_, _ = rand.Read(id[:])
	return fmt.Sprintf("Root=1-%08x-%s", now.Unix(), hex.EncodeToString(id[:]))
}
