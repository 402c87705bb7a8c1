// Package lbcontroller stands in for the AWS Load Balancer Controller, which cannot
// be had as a Go module in a current version. It does what that controller's
// documents say, as far as moves of nodes need it:
//
//   - Ingresses of class alb become Application Load Balancers, Services of type
//     external, nlb-ip or of class service.k8s.aws/nlb Network Load Balancers, both
//     with targets of type ip or instance (ingress.go, service.go, deploy.go);
//   - a TargetGroupBinding for each target group, and those that others make: its
//     Service's pods or nodes are registered and deregistered (binding.go);
//   - pods get a readiness gate for each binding, by a webhook (webhook.go), and the
//     gate follows the target's health;
//   - names, tags, labels and finalizers are the real one's.
//
// What it does not: WAF, Shield, sign-in, gRPC, IP families, the security group for
// traffic to targets, the webhooks that check objects and that take over Services,
// and Gateway API. In the sandbox security groups are not enforced.
package lbcontroller

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	discoverylisters "k8s.io/client-go/listers/discovery/v1"
	networkinglisters "k8s.io/client-go/listers/networking/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/client-go/util/workqueue"
)

// workers is how many stacks and bindings are looked after at once.
const workers = 3

// bindingResource is TargetGroupBindings'.
var bindingResource = schema.GroupVersionResource{Group: "elbv2.k8s.aws", Version: "v1beta1", Resource: "targetgroupbindings"}

// options are the controller's flags, those of them that matter here.
type options struct {
	cluster     string
	class       string
	vpc         string
	gates       bool
	webhookPort int
	health      string
	namespace   string // its own
}

func parse(args []string, log io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("aws-load-balancer-controller", flag.ContinueOnError)
	flags.SetOutput(log)
	flags.StringVar(&o.cluster, "cluster-name", "", "the cluster's name, in tags and hashes of names")
	flags.StringVar(&o.class, "ingress-class", "alb", "the class of Ingresses to serve")
	flags.StringVar(&o.vpc, "aws-vpc-id", "", "the VPC; that of a node by default")
	flags.String("aws-region", "", "accepted and without effect: there is one region")
	flags.BoolVar(&o.gates, "enable-pod-readiness-gate-inject", true, "give pods readiness gates")
	flags.IntVar(&o.webhookPort, "webhook-bind-port", 9443, "the port of the webhook")
	flags.StringVar(&o.health, "health-probe-bind-addr", ":61779", "where /healthz and /readyz are served")
	if err := flags.Parse(args); err != nil {
		return options{}, err
	}
	if flags.NArg() > 0 {
		return options{}, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if o.cluster == "" {
		return options{}, errors.New("--cluster-name must be given")
	}
	return o, nil
}

// item is one thing to look after: the stack of an Ingress, of a group of them or of
// a Service, or a binding.
type item struct {
	kind            kind
	namespace, name string
}

type kind string

const (
	ofIngress kind = "ingress"
	ofService kind = "service"
	ofBinding kind = "binding"
)

// controller keeps load balancers in step with the cluster.
type controller struct {
	options
	log      *slog.Logger
	cloud    *cloud
	kube     kubernetes.Interface
	bindings dynamic.NamespaceableResourceInterface
	queue    workqueue.TypedRateLimitingInterface[item]

	ingresses networkinglisters.IngressLister
	services  corelisters.ServiceLister
	slices    discoverylisters.EndpointSliceLister
	pods      corelisters.PodLister
	nodes     corelisters.NodeLister
	bound     cache.GenericLister
}

// Run serves until ctx is done.
func Run(ctx context.Context, args []string, getenv func(string) string, out io.Writer) error {
	o, err := parse(args, out)
	if err != nil {
		return err
	}
	if o.namespace, err = ownNamespace(); err != nil {
		return err
	}
	config, err := rest.InClusterConfig()
	if err != nil {
		return err
	}
	config.QPS, config.Burst = 100, 200
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	dyn, err := dynamic.NewForConfig(config)
	if err != nil {
		return err
	}
	c := &controller{options: o, log: slog.New(slog.NewTextHandler(out, nil)), cloud: newCloud(o.cluster, getenv), kube: kube, bindings: dyn.Resource(bindingResource),
		queue: workqueue.NewTypedRateLimitingQueue(workqueue.NewTypedItemExponentialFailureRateLimiter[item](200*time.Millisecond, 30*time.Second))}
	c.log.Info("this stands in for the AWS Load Balancer Controller", "cluster", o.cluster)
	return c.run(ctx, dyn)
}

func ownNamespace() (string, error) {
	data, err := os.ReadFile("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
	return strings.TrimSpace(string(data)), err
}

// run serves the webhook on every replica, and looks after the rest on the one that
// leads.
func (c *controller) run(ctx context.Context, dyn dynamic.Interface) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer c.queue.ShutDown()
	if err := c.watch(ctx, dyn); err != nil {
		return err
	}
	var group sync.WaitGroup
	defer group.Wait()
	failed := make(chan error, 3)
	serve := func(f func(context.Context) error) {
		group.Go(func() {
			if err := f(ctx); err != nil && ctx.Err() == nil {
				failed <- err
			}
		})
	}
	serve(c.serveWebhook)
	serve(c.serveHealth)
	serve(c.lead)
	select {
	case <-ctx.Done():
		return nil
	case err := <-failed:
		cancel()
		return err
	}
}

// watch fills the caches and puts what changes into the queue.
func (c *controller) watch(ctx context.Context, dyn dynamic.Interface) error {
	factory := informers.NewSharedInformerFactory(c.kube, 0)
	others := dynamicinformer.NewDynamicSharedInformerFactory(dyn, 0)
	c.ingresses = factory.Networking().V1().Ingresses().Lister()
	c.services = factory.Core().V1().Services().Lister()
	c.slices = factory.Discovery().V1().EndpointSlices().Lister()
	c.pods = factory.Core().V1().Pods().Lister()
	c.nodes = factory.Core().V1().Nodes().Lister()
	c.bound = others.ForResource(bindingResource).Lister()
	on := map[cache.SharedIndexInformer]func(any){
		factory.Networking().V1().Ingresses().Informer():     c.ingressChanged,
		factory.Core().V1().Services().Informer():            c.serviceChanged,
		factory.Discovery().V1().EndpointSlices().Informer(): c.backendChanged,
		factory.Core().V1().Pods().Informer():                c.backendChanged,
		factory.Core().V1().Nodes().Informer():               c.nodeChanged,
		others.ForResource(bindingResource).Informer():       c.bindingChanged,
	}
	for informer, changed := range on {
		_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{AddFunc: changed, DeleteFunc: changed,
			UpdateFunc: func(old, now any) { changed(old); changed(now) }})
		if err != nil {
			return err
		}
	}
	factory.Start(ctx.Done())
	others.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	others.WaitForCacheSync(ctx.Done())
	return ctx.Err()
}

func (c *controller) ingressChanged(o any) {
	if ingress, ok := last[*networkingv1.Ingress](o); ok {
		c.queue.Add(groupOf(ingress))
	}
}

func (c *controller) serviceChanged(o any) {
	service, ok := last[*corev1.Service](o)
	if !ok {
		return
	}
	c.queue.Add(item{ofService, service.Namespace, service.Name})
	for _, ingress := range c.all(service.Namespace) {
		c.queue.Add(groupOf(ingress))
	}
	c.enqueueBindings(service.Namespace)
}

func (c *controller) backendChanged(o any) {
	if meta, ok := last[metav1.Object](o); ok {
		c.enqueueBindings(meta.GetNamespace())
	}
}

func (c *controller) nodeChanged(any) { c.enqueueBindings("") }

func (c *controller) bindingChanged(o any) {
	if b, ok := last[*unstructured.Unstructured](o); ok {
		c.queue.Add(item{ofBinding, b.GetNamespace(), b.GetName()})
	}
}

// last is an object, or what it was before it was deleted unseen.
func last[T any](o any) (T, bool) {
	if gone, ok := o.(cache.DeletedFinalStateUnknown); ok {
		o = gone.Obj
	}
	t, ok := o.(T)
	return t, ok
}

// enqueueBindings asks for a look at all bindings of a namespace, or of all.
func (c *controller) enqueueBindings(namespace string) {
	for _, b := range c.bindingsIn(namespace) {
		c.queue.Add(item{ofBinding, b.namespace, b.name})
	}
}

// lead works as long as this replica holds the lease.
func (c *controller) lead(ctx context.Context) error {
	identity, err := os.Hostname()
	if err != nil {
		return err
	}
	lock := &resourcelock.LeaseLock{LeaseMeta: metav1.ObjectMeta{Namespace: c.namespace, Name: "aws-load-balancer-controller-leader"},
		Client: c.kube.CoordinationV1(), LockConfig: resourcelock.ResourceLockConfig{Identity: identity}}
	lost := errors.New("the lease is lost")
	leaderelection.RunOrDie(ctx, leaderelection.LeaderElectionConfig{Lock: lock, ReleaseOnCancel: true, LeaseDuration: 15 * time.Second,
		RenewDeadline: 10 * time.Second, RetryPeriod: 2 * time.Second, Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: c.work, OnStoppedLeading: func() {}}})
	return lost
}

// work takes from the queue until ctx ends.
func (c *controller) work(ctx context.Context) {
	c.log.Info("this replica leads")
	var group sync.WaitGroup
	defer group.Wait()
	for range workers {
		group.Go(func() {
			for c.next(ctx) {
			}
		})
	}
	<-ctx.Done()
	c.queue.ShutDown()
}

// next looks after one item; false when the queue has ended.
func (c *controller) next(ctx context.Context) bool {
	it, over := c.queue.Get()
	if over {
		return false
	}
	defer c.queue.Done(it)
	again, err := c.look(ctx, it)
	if err != nil {
		c.log.Warn("will be tried again", "kind", it.kind, "namespace", it.namespace, "name", it.name, "err", err)
		c.queue.AddRateLimited(it)
		return true
	}
	c.queue.Forget(it)
	if again > 0 {
		c.queue.AddAfter(it, again)
	}
	return true
}

// look brings one item in step; again says when to look without anything having changed.
func (c *controller) look(ctx context.Context, it item) (again time.Duration, err error) {
	switch it.kind {
	case ofIngress:
		return c.lookAtGroup(ctx, it)
	case ofService:
		return c.lookAtService(ctx, it)
	case ofBinding:
		return c.lookAtBinding(ctx, it)
	}
	return 0, nil
}

// serveHealth answers that the controller lives. Its caches are filled by then.
func (c *controller) serveHealth(ctx context.Context) error {
	mux := http.NewServeMux()
	ok := func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }
	mux.HandleFunc("/healthz", ok)
	mux.HandleFunc("/readyz", ok)
	return listenAndServe(ctx, &http.Server{Addr: c.health, Handler: mux, ReadHeaderTimeout: time.Minute})
}

// listenAndServe serves until ctx ends; over TLS, if the server has certificates.
func listenAndServe(ctx context.Context, s *http.Server) error {
	stop := context.AfterFunc(ctx, func() { _ = s.Close() })
	defer stop()
	var err error
	if s.TLSConfig != nil {
		err = s.ListenAndServeTLS("", "")
	} else {
		err = s.ListenAndServe()
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
