package supervisor

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/droverhq/drover/sandbox/internal/folder"
	"github.com/droverhq/drover/sandbox/internal/machine"
	"github.com/droverhq/drover/sandbox/internal/pki"
)

// plane is a control plane and what belongs to its cluster. The first one runs as long as
// the sandbox does, whether there is a cluster or not: a start is ready sooner. The others
// run while they have one.
type plane struct {
	number int
	dir    folder.Plane
	port   int      // of the API server, in the sandbox and on the host; 0: none yet
	socket *os.File // of the host, for the port; nil: opened by the launcher, or taken already

	controlplane, ccm *component // nil while there is none
}

// called is the name of a part of the cluster. The first cluster's need no more than what they are.
func (p *plane) called(part, cluster string) string {
	if p.number == 0 {
		return part
	}
	return part + "-" + cluster
}

// flag tells a part which control plane is its own.
func (p *plane) flag() []string { return []string{"--plane", strconv.Itoa(p.number)} }

// server is the URL of the API server at an address.
func (p *plane) server(address string) string { return fmt.Sprintf("https://%s:%d", address, p.port) }

// keys writes what a machine joins the cluster with. One whose cluster is gone keeps what it has.
func (p *plane) keys(dir string, m machine.Machine) error {
	if _, err := os.Stat(p.dir.Authority()); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	ca, err := pki.Open(p.dir.PKI())
	if err != nil {
		return err
	}
	return ca.PrepareNode(pki.Node{Dir: dir, Name: m.NodeName, IP: m.PrivateIP, Server: p.server(APIAddress)})
}

// raise makes a further control plane and starts it.
func (s *supervisor) raise(p *plane, cluster string) error {
	if err := s.openPort(p); err != nil {
		return fmt.Errorf("open a port for the API server of %s: %w", cluster, err)
	}
	if _, err := pki.Prepare(pki.Cluster{Dir: p.dir.PKI(), Kubeconfig: p.dir.Kubeconfig(), Server: p.server("127.0.0.1")}); err != nil {
		return fmt.Errorf("prepare certificates of %s: %w", cluster, err)
	}
	s.startControlPlane(p, cluster)
	return nil
}

// startControlPlane starts a control plane whose port and keys are there.
func (s *supervisor) startControlPlane(p *plane, cluster string) {
	c := s.component("controlplane", p.called("controlplane", cluster), nil, append(p.flag(),
		"--api-port", strconv.Itoa(p.port), "--aws-port", strconv.Itoa(s.AWSPort))...)
	// Its own shutdown waits for clients that never leave. The store's journal is written with every request.
	c.grace = 0
	// Elsewhere others lead once a controller has not renewed its lease for 15 s, and the one that stood still ends itself.
	// Going on, it would call every node dead that it did not hear of meanwhile. These have no lease (--leader-elect=false).
	c.lease = 15 * time.Second
	c.run()
	s.mu.Lock()
	p.controlplane = c
	s.mu.Unlock()
}

// openPort opens a further control plane's port on the host, and writes it down: after a
// restart the cluster has the same. What comes in there goes to the API server.
func (s *supervisor) openPort(p *plane) error {
	if p.socket != nil {
		kept := 0
		if err := folder.ReadJSON(p.dir.Port(), &kept); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		l, err := bind(p.socket, kept)
		if err != nil {
			return err
		}
		s.mu.Lock()
		p.socket, p.port = nil, l.Addr().(*net.TCPAddr).Port
		s.mu.Unlock()
		s.carry(l, p.port)
		if err := s.reservePorts(); err != nil {
			return err
		}
	}
	return folder.WriteJSON(p.dir.Port(), p.port)
}

// bind listens on 127.0.0.1 with a socket of the host that nobody has used yet: a socket
// stays in the network that it was made in.
func bind(socket *os.File, port int) (net.Listener, error) {
	if err := unix.Bind(int(socket.Fd()), &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: port}); err != nil {
		return nil, fmt.Errorf("port %d: %w", port, err)
	}
	if err := unix.Listen(int(socket.Fd()), unix.SOMAXCONN); err != nil {
		return nil, fmt.Errorf("port %d: %w", port, err)
	}
	defer func() { _ = socket.Close() }() // the listener has its own
	return net.FileListener(socket)
}

// reservePorts keeps clients in the sandbox from the ports of its servers: one that is
// restarted must find its own free.
func (s *supervisor) reservePorts() error {
	list := strconv.Itoa(s.AWSPort)
	for _, p := range s.planes {
		if p.port != 0 {
			list += "," + strconv.Itoa(p.port)
		}
	}
	return sysctls(map[string]string{"net/ipv4/ip_local_reserved_ports": list})
}

// newPlanes are the control planes that a sandbox can have.
func newPlanes(c Config) []*plane {
	planes := make([]*plane, machine.Planes)
	for n := range planes {
		planes[n] = &plane{number: n, dir: c.Dir.Plane(n)}
		if n > 0 && n <= len(c.Sockets) {
			planes[n].socket = c.Sockets[n-1]
		}
	}
	planes[0].port = c.APIPort
	return planes
}
