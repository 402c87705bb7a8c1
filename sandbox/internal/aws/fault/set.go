package fault

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Set holds the orders that were given. They end with the process.
type Set struct {
	now func() time.Time

	mu     sync.Mutex
	last   int // number of the last order
	orders []*order
}

type order struct {
	Fault
	removed chan struct{} // closed when it is taken away
}

// NewSet makes an empty Set.
func NewSet(now func() time.Time) *Set { return &Set{now: now} }

// Add gives an order, and returns it with its ID.
func (s *Set) Add(f Fault) (Fault, error) {
	if err := f.check(); err != nil {
		return f, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last++
	f.ID, f.Hits = fmt.Sprintf("f%d", s.last), 0
	s.orders = append(s.orders, &order{f, make(chan struct{})})
	return f, nil
}

// Remove takes an order away, also from the requests that it holds, and tells
// whether it was there.
func (s *Set) Remove(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.orders, func(o *order) bool { return o.ID == id })
	if i < 0 {
		return false
	}
	close(s.orders[i].removed)
	s.orders = slices.Delete(s.orders, i, i+1)
	return true
}

// List is what was ordered and not taken away, the oldest first; what is over
// stays in it, for its hits.
func (s *Set) List() []Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := []Fault{}
	for _, o := range s.orders {
		list = append(list, o.Fault)
	}
	return list
}

// Serve lets next answer a call, unless an order hits it: the oldest that
// matches. Refusals are put into words by refuse, which knows the protocol.
func (s *Set) Serve(w http.ResponseWriter, r *http.Request, c Call, refuse func(Fault), next func(http.ResponseWriter)) {
	o := s.strike(c)
	if o == nil {
		next(w)
		return
	}
	switch o.Kind {
	case Throttle, Fail, Expire:
		refuse(o.Fault)
	case Slow:
		if o.hold(r.Context(), time.Duration(o.Delay)) {
			next(w)
		}
	case Lose:
		next(nowhere{http.Header{}})
		panic(http.ErrAbortHandler) // the server cuts the connection and says nothing
	case Hang:
		left := time.Duration(0)
		if !o.Until.IsZero() {
			left = o.Until.Sub(s.now())
		}
		o.hold(r.Context(), left)
		panic(http.ErrAbortHandler)
	}
}

// strike finds the order that hits a call, and counts the hit.
func (s *Set) strike(c Call) *order {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.orders {
		if !o.Over(s.now()) && o.matches(c) {
			o.Hits++
			return &order{o.Fault, o.removed}
		}
	}
	return nil
}

// hold waits until the order is taken away or its time, if it has one, is up;
// false means that the client has given up before.
func (o *order) hold(ctx context.Context, limit time.Duration) bool {
	var up <-chan time.Time
	if limit > 0 {
		timer := time.NewTimer(limit)
		defer timer.Stop()
		up = timer.C
	}
	select {
	case <-ctx.Done():
		return false
	case <-o.removed:
	case <-up:
	}
	return true
}

// nowhere takes an answer that nobody will get.
type nowhere struct{ header http.Header }

func (n nowhere) Header() http.Header          { return n.header }
func (nowhere) Write(text []byte) (int, error) { return len(text), nil }
func (nowhere) WriteHeader(int)                {}
