package podnet

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"sync"
	"time"
)

// cooldown is how long an address rests after its pod is gone. It is the
// VPC CNI's (30 s) and some more: as long as a kube-proxy or a load balancer
// may still send to the old pod, the address must not answer for another one.
const cooldown = 35 * time.Second

// ErrNoAddress means that every address is in use or rests.
var ErrNoAddress = errors.New("no free address for the pod")

// Pool hands out the pod addresses of one node in rotation and remembers them
// in a file, so that a node that starts again rests them too.
type Pool struct {
	prefix netip.Prefix
	file   string
	now    func() time.Time

	mu    sync.Mutex
	state poolState
}

// poolState is what the file holds.
type poolState struct {
	Last   netip.Addr                `json:"last"`   // handed out most recently; the search starts behind it
	Leases map[netip.Addr]*poolLease `json:"leases"` // in use or resting
}

type poolLease struct {
	Owner string    `json:"owner"`
	Until time.Time `json:"until,omitzero"` // when the rest ends; zero while in use
}

// OpenPool makes the pool of prefix, kept in file. Addresses that the file
// says are in use belonged to pods of an earlier process, which are gone: they
// rest from now on.
func OpenPool(prefix netip.Prefix, file string, now func() time.Time) (*Pool, error) {
	p := &Pool{prefix: prefix.Masked(), file: file, now: now}
	data, err := os.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("read pod addresses: %w", err)
	default:
		if err := json.Unmarshal(data, &p.state); err != nil {
			return nil, fmt.Errorf("read pod addresses: %s: %w", file, err)
		}
	}
	if p.state.Leases == nil {
		p.state.Leases = map[netip.Addr]*poolLease{}
	}
	for _, lease := range p.state.Leases {
		if lease.Until.IsZero() {
			lease.Until = now().Add(cooldown)
		}
	}
	err = p.save()
	return p, err
}

// Take hands out an address. No address of the prefix is special: a node's
// pod prefix is a part of a subnet, not a subnet.
func (p *Pool) Take(owner string) (netip.Addr, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	addr, err := p.next()
	if err != nil {
		return netip.Addr{}, err
	}
	p.state.Leases[addr] = &poolLease{Owner: owner}
	p.state.Last = addr
	return addr, p.save()
}

// next is the first address behind the last one that neither works nor rests.
func (p *Pool) next() (netip.Addr, error) {
	start := p.after(p.state.Last)
	for addr := start; ; {
		lease := p.state.Leases[addr]
		if lease == nil || !lease.Until.IsZero() && !p.now().Before(lease.Until) {
			return addr, nil
		}
		if addr = p.after(addr); addr == start {
			return netip.Addr{}, fmt.Errorf("%w in %s: %d in use or resting for %s",
				ErrNoAddress, p.prefix, len(p.state.Leases), cooldown)
		}
	}
}

// after is the address behind addr, going round at the end of the prefix.
func (p *Pool) after(addr netip.Addr) netip.Addr {
	if next := addr.Next(); addr.IsValid() && p.prefix.Contains(next) {
		return next
	}
	return p.prefix.Addr()
}

// Release puts the address to rest.
func (p *Pool) Release(addr netip.Addr) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	lease := p.state.Leases[addr]
	if lease == nil || !lease.Until.IsZero() {
		return nil
	}
	lease.Until = p.now().Add(cooldown)
	return p.save()
}

func (p *Pool) save() error {
	data, err := json.Marshal(p.state)
	if err != nil {
		return err
	}
	part := p.file + ".part"
	if err := os.WriteFile(part, data, 0o600); err != nil {
		return fmt.Errorf("write pod addresses: %w", err)
	}
	if err := os.Rename(part, p.file); err != nil {
		return fmt.Errorf("write pod addresses: %w", err)
	}
	return nil
}
