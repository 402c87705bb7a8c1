// Package aws is AWS for the sandbox: one HTTP endpoint that answers Cloud
// Control, CloudFormation, EC2, Auto Scaling, both versions of ELB, EKS, IAM, STS, SSM and ACM with
// their wire protocols, for one account in one region.
//
// A request goes through endpoint.go (signature, which service, which
// operation) to a package of its service, which reads or changes the model in
// package region. Nothing happens in an API call beside that change. What
// follows from it is done by those who watch the model: autoscaling.Scaler
// launches instances, ec2.Hypervisor runs them as machines, ec2.Router brings up NAT gateways, eks.Operator
// brings up the cluster, eks.Keeper keeps managed node groups, eks.Installer brings about add-ons, acm.Issuer signs certificates, elb.DataPlane and elbv2.DataPlane run load balancers, cloudformation.Deployer
// makes and removes stacks, and cloudcontrol.Service carries out its asynchronous requests. All of them
// compare what is with what shall be, so that a restart needs no special care.
package aws

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/droverhq/drover/sandbox/internal/addons"
	"github.com/droverhq/drover/sandbox/internal/aws/acm"
	"github.com/droverhq/drover/sandbox/internal/aws/autoscaling"
	"github.com/droverhq/drover/sandbox/internal/aws/clock"
	"github.com/droverhq/drover/sandbox/internal/aws/cloudcontrol"
	"github.com/droverhq/drover/sandbox/internal/aws/cloudformation"
	"github.com/droverhq/drover/sandbox/internal/aws/ec2"
	"github.com/droverhq/drover/sandbox/internal/aws/eks"
	"github.com/droverhq/drover/sandbox/internal/aws/elb"
	"github.com/droverhq/drover/sandbox/internal/aws/elbv2"
	"github.com/droverhq/drover/sandbox/internal/aws/fault"
	"github.com/droverhq/drover/sandbox/internal/aws/region"
	"github.com/droverhq/drover/sandbox/internal/aws/ssm"
	"github.com/droverhq/drover/sandbox/internal/balancer"
	"github.com/droverhq/drover/sandbox/internal/dns"
	"github.com/droverhq/drover/sandbox/internal/folder"
	"github.com/droverhq/drover/sandbox/internal/machine"
)

// Config says where the endpoint lives.
type Config struct {
	Dir    string // the sandbox's folder
	Region string
	Port   int // of this endpoint on 127.0.0.1

	// Inside is the address by which pods reach this endpoint, at the same port; empty: they do not.
	Inside string

	// Latency is a factor of every latency: "0.1" is hasty, "10" about as slow
	// as AWS; empty means 1. It is what DROVER_SANDBOX_AWS_LATENCY holds.
	Latency string
}

// What the router namespace gives to this process.
const (
	link      = "eks0"               // addresses of load balancers go here
	dnsListen = "169.254.169.253:53" // Amazon's DNS server inside every VPC
)

// Run serves until ctx ends. It is run in the router's network namespace.
func Run(ctx context.Context, c Config) error {
	scale, err := LatencyScale(c.Latency)
	if err != nil {
		return err
	}
	supervisor := machine.NewClient(filepath.Join(c.Dir, "run", "supervisor.sock"))
	s, err := New(c, Outside{Machines: supervisor, ControlPlane: supervisor, Network: balancer.Host{Link: link},
		Kubernetes: func(plane int) (kubernetes.Interface, error) { return clusterClient(adminOf(c.Dir, plane)) },
		AddOns:     func(plane int) eks.Manifests { return addons.Cluster{Kubeconfig: adminOf(c.Dir, plane)} },
		Now:        time.Now, Latency: scale, Log: slog.Default()})
	if err != nil {
		return err
	}
	var listeners []net.Listener
	for _, address := range []string{"127.0.0.1", c.Inside} {
		var config net.ListenConfig
		if address == "" {
			continue
		}
		l, err := config.Listen(ctx, "tcp4", net.JoinHostPort(address, strconv.Itoa(c.Port)))
		if err != nil {
			return fmt.Errorf("open the AWS endpoint: %w", err)
		}
		listeners = append(listeners, l)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	names := make(chan error, 1)
	go func() {
		defer cancel()
		names <- dns.Serve(ctx, dnsListen, s.Resolve)
	}()
	err = s.Serve(ctx, listeners...)
	cancel()
	return errors.Join(err, <-names)
}

// adminOf is the kubeconfig of EKS itself for a cluster, as an administrator.
func adminOf(dir string, plane int) string { return folder.Folder(dir).Plane(plane).EKSKubeconfig() }

func clusterClient(kubeconfig string) (kubernetes.Interface, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, err
	}
	return kubernetes.NewForConfig(config)
}

// LatencyScale reads Config.Latency.
func LatencyScale(text string) (float64, error) {
	if text == "" {
		return 1, nil
	}
	scale, err := strconv.ParseFloat(text, 64)
	if err != nil || scale < 0 || math.IsNaN(scale) || math.IsInf(scale, 0) {
		return 0, fmt.Errorf("latency %q: it must be a factor such as 0.5", text)
	}
	return scale, nil
}

// Outside is everything beyond this process.
type Outside struct {
	Machines     ec2.Machines
	ControlPlane eks.ControlPlane
	Network      balancer.Network
	Kubernetes   eks.Connect
	AddOns       func(plane int) eks.Manifests
	Now          func() time.Time
	Latency      float64 // factor of every latency
	Log          *slog.Logger
}

// Sandbox is the region and all that acts on it.
type Sandbox struct {
	region string
	clock  *clock.Clock
	now    func() time.Time // the clock's
	here   func() time.Time // the machine's, by which load balancers live
	log    *slog.Logger
	store  *region.Store
	faults *fault.Set

	cloudControl *cloudcontrol.Service
	eks          *eks.Service
	ssm          *ssm.Service
	acm          *acm.Service
	issuer       *acm.Issuer
	dataPlane    *elb.DataPlane
	targets      *elbv2.DataPlane
	hypervisor   *ec2.Hypervisor
	router       *ec2.Router
	scaler       *autoscaling.Scaler
	operator     *eks.Operator
	keeper       *eks.Keeper
	installer    *eks.Installer
	reviewer     *eks.Reviewer
	deployer     *cloudformation.Deployer
}

// New opens the region's state and puts the parts together.
func New(c Config, out Outside) (*Sandbox, error) {
	store, err := region.Open(filepath.Join(c.Dir, "aws", "state.json"), c.Region)
	if err != nil {
		return nil, err
	}
	moved, err := clock.Open(filepath.Join(c.Dir, "aws", "clock.json"), out.Now)
	if err != nil {
		return nil, err
	}
	control, err := cloudcontrol.New(store, moved.Now, out.Latency)
	if err != nil {
		return nil, err
	}
	shelf := acm.NewShelf(out.Log)
	classic := elb.NewDataPlane(store, out.Network, shelf, out.Latency, out.Log)
	targets := elbv2.NewDataPlane(store, out.Network, shelf, out.Latency, out.Log)
	return &Sandbox{region: c.Region, clock: moved, now: moved.Now, here: out.Now, log: out.Log, store: store,
		faults:       fault.NewSet(out.Now),
		cloudControl: control,
		eks:          eks.New(store, out.Now),
		keeper:       eks.NewKeeper(store, out.Kubernetes, moved.Now, out.Latency, out.Log),
		installer:    eks.NewInstaller(store, out.Kubernetes, out.AddOns, moved.Now, out.Latency, out.Log),
		ssm:          ssm.New(c.Region),
		acm:          acm.New(store, moved.Now),
		issuer:       acm.NewIssuer(store, filepath.Join(c.Dir, "pki"), moved.Now, out.Now, out.Latency, out.Log),
		dataPlane:    classic,
		targets:      targets,
		hypervisor:   ec2.NewHypervisor(store, out.Machines, moved.Now, out.Latency, out.Log),
		router:       ec2.NewRouter(store, moved.Now, out.Latency, out.Log),
		scaler:       autoscaling.NewScaler(store, behind(classic, targets), moved.Now, out.Now, out.Log),
		operator:     eks.NewOperator(store, out.ControlPlane, out.Log),
		reviewer:     eks.NewReviewer(store, moved),
		deployer:     cloudformation.NewDeployer(store, control, moved.Now, out.Log),
	}, nil
}

// behind tells how instances are behind load balancers of either version.
func behind(classic *elb.DataPlane, targets *elbv2.DataPlane) autoscaling.Health {
	return func(st *region.State, t region.TrafficSource, i *region.Instance) (inService, checked bool) {
		if t.Type == region.ClassicSource {
			h, _ := classic.Health(t.Identifier, i.ID)
			return h.InService, h.Checked
		}
		g := st.TargetGroups[t.Identifier]
		if g == nil {
			return false, false
		}
		for _, target := range g.Targets {
			if target.ID == i.ID {
				h := targets.Health(g.ARN, target)
				return h.InService, h.Checked
			}
		}
		return false, false
	}
}

// Resolve answers the names of the VPC's DNS.
func (s *Sandbox) Resolve(name string) (ips []netip.Addr, ok bool) {
	s.store.View(func(st *region.State) {
		if ips, ok = s.targets.Resolve(st, name); ok {
			return
		}
		var ip netip.Addr
		ip, ok = st.Resolve(name)
		ips = []netip.Addr{ip}
	})
	return ips, ok
}

// Serve answers on the listeners and acts on the model until ctx ends.
func (s *Sandbox) Serve(ctx context.Context, listeners ...net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	defer wg.Wait()
	for _, run := range []func(context.Context){s.cloudControl.Run, s.scaler.Run, s.hypervisor.Run, s.router.Run, s.operator.Run,
		s.keeper.Run, s.installer.Run, s.issuer.Run, s.deployer.Run, s.dataPlane.Run, s.targets.Run} {
		wg.Go(func() { run(ctx) })
	}
	server := &http.Server{Handler: s.handler(), ReadHeaderTimeout: 10 * time.Second}
	wg.Go(func() {
		<-ctx.Done()
		stop, done := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer done()
		if server.Shutdown(stop) != nil {
			_ = server.Close()
		}
	})
	served := make(chan error, len(listeners))
	for _, l := range listeners {
		s.log.Info("AWS endpoint", "address", l.Addr().String(), "region", s.region)
		wg.Go(func() { served <- server.Serve(l) })
	}
	err := <-served
	cancel()
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// handler is the endpoint and, below /_sandbox/, what is not AWS.
func (s *Sandbox) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /_sandbox/tokenreview/{plane}", s.reviewer)
	mux.HandleFunc("GET /_sandbox/inventory", s.inventory)
	mux.HandleFunc("GET /_sandbox/ready", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	s.handleFaults(mux)
	s.handlePull(mux)
	s.handleClock(mux)
	services := s.newEndpoint()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, pattern := mux.Handler(r); pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		services.ServeHTTP(w, r) // not through mux, which would clean escaped paths
	})
}
