package load

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/droverhq/drover/event"
)

// echoLike answers as the tutorial's echoserver does, as cheaply as possible,
// so that a benchmark measures the sender.
func echoLike(b *testing.B) string {
	answer := "HTTP/1.1 200 OK\r\nDate: Sun, 22 Nov 2026 12:00:00 GMT\r\nContent-Type: text/plain\r\n" +
		"Transfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n2bc\r\n" + strings.Repeat("x", 700) + "\r\n0\r\n\r\n"
	return serveRaw(b, func(conn net.Conn, _ int64) {
		in := bufio.NewReader(conn)
		for readRequest(in) {
			if _, err := io.WriteString(conn, answer); err != nil {
				return
			}
		}
	})
}

// BenchmarkClient compares this package with net/http's client in hey's
// arrangement: 100 connections, one request after the other on each.
func BenchmarkClient(b *testing.B) {
	b.Run("drover", func(b *testing.B) {
		o := Options{URL: echoLike(b), Requests: b.N, Connections: 100, Timeout: DefaultTimeout}
		b.ReportAllocs()
		r, err := Run(b.Context(), o, event.Discard)
		if err != nil || r.OK != b.N {
			b.Fatal(r.Causes, err)
		}
		b.ReportMetric(r.Rate, "requests/s")
	})
	b.Run("net-http", func(b *testing.B) {
		url := echoLike(b)
		client := http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 100}, Timeout: DefaultTimeout}
		b.ReportAllocs()
		b.SetParallelism(50) // times 2 processors
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				resp, err := client.Get(url)
				if err != nil {
					b.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
			}
		})
	})
}

// BenchmarkEnter is the accounting of one request.
func BenchmarkEnter(b *testing.B) {
	book := newLedger(Options{Source: "closed", Record: io.Discard}.withDefaults(), time.Now())
	start := time.Now()
	for n := 0; b.Loop(); n++ {
		book.enter(start, time.Duration(n%1000)*time.Microsecond, answer{status: 200, bytes: 700})
	}
}
