// Package ingress is the sandbox's NGINX ingress controller: the real nginx,
// configured from Ingresses, Services, EndpointSlices and a ConfigMap. It
// stands for the image nginx/nginx-ingress and takes that controller's flags
// and ConfigMap keys, those of them that concern plain HTTP.
//
// Its data flow is: caches -> assign -> nginx.conf -> `nginx -t` -> reload.
package ingress

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	discoverylisters "k8s.io/client-go/listers/discovery/v1"
	networkinglisters "k8s.io/client-go/listers/networking/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
)

// batch is how long changes are gathered before nginx is reloaded for them:
// an endpoint that goes and its replacement often come as two.
const batch = 100 * time.Millisecond

// retryAfter is the pause before a configuration that nginx did not take is tried again.
const retryAfter = time.Second

// dir holds what nginx writes.
const dir = "/run/nginx"

// options are the controller's flags.
type options struct {
	class     string
	configMap string // namespace/name, or empty
	namespace string // to watch; empty for all
	ready     bool
	readyPort int
}

func parse(args []string, log io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("nginx-ingress", flag.ContinueOnError)
	flags.SetOutput(log)
	flags.StringVar(&o.class, "ingress-class", "nginx", "the class of Ingresses to serve")
	flags.StringVar(&o.configMap, "nginx-configmaps", "", "the ConfigMap with settings, as <namespace>/<name>")
	flags.StringVar(&o.namespace, "watch-namespace", "", "the namespace to watch; all by default")
	flags.Bool("enable-custom-resources", true, "accepted and without effect: there are none here")
	flags.BoolVar(&o.ready, "ready-status", true, "serve /nginx-ready and /nginx-health")
	flags.IntVar(&o.readyPort, "ready-status-port", 8081, "the port of /nginx-ready and /nginx-health")
	if err := flags.Parse(args); err != nil {
		return options{}, err
	}
	if flags.NArg() > 0 {
		return options{}, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if o.configMap != "" && strings.Count(o.configMap, "/") != 1 {
		return options{}, fmt.Errorf("-nginx-configmaps %q is not <namespace>/<name>", o.configMap)
	}
	return o, nil
}

// controller keeps nginx in step with the cluster.
type controller struct {
	options
	log     io.Writer
	changed chan struct{} // holds one note that something changed
	live    atomic.Bool

	ingresses networkinglisters.IngressLister
	services  corelisters.ServiceLister
	slices    discoverylisters.EndpointSliceLister
	settings  corelisters.ConfigMapLister // nil without a ConfigMap
}

// Run serves until ctx is done; then nginx finishes its requests.
func Run(ctx context.Context, args []string, log io.Writer) error {
	o, err := parse(args, log)
	if err != nil {
		return err
	}
	config, err := rest.InClusterConfig()
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	c := &controller{options: o, log: log, changed: make(chan struct{}, 1)}
	defer c.serveStatus()()
	stopCaches, err := c.watch(ctx, client)
	if err != nil {
		return err
	}
	defer stopCaches()
	if ctx.Err() != nil {
		return nil // told to stop before there was anything to serve
	}
	return c.serve(ctx)
}

// watch fills the caches and returns when they are complete, or ctx is done.
func (c *controller) watch(ctx context.Context, client kubernetes.Interface) (stop func(), err error) {
	all := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithNamespace(c.namespace))
	c.ingresses = all.Networking().V1().Ingresses().Lister()
	c.services = all.Core().V1().Services().Lister()
	c.slices = all.Discovery().V1().EndpointSlices().Lister()
	watched := []cache.SharedIndexInformer{
		all.Networking().V1().Ingresses().Informer(),
		all.Core().V1().Services().Informer(),
		all.Discovery().V1().EndpointSlices().Informer(),
	}
	factories := []informers.SharedInformerFactory{all}
	if namespace, name, ok := strings.Cut(c.configMap, "/"); ok {
		one := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithNamespace(namespace),
			informers.WithTweakListOptions(func(o *metav1.ListOptions) {
				o.FieldSelector = fields.OneTermEqualSelector(metav1.ObjectNameField, name).String()
			}))
		c.settings = one.Core().V1().ConfigMaps().Lister()
		watched = append(watched, one.Core().V1().ConfigMaps().Informer())
		factories = append(factories, one)
	}
	for _, informer := range watched {
		if _, err := informer.AddEventHandler(c.noteChanges()); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	for _, f := range factories {
		f.Start(ctx.Done())
	}
	for _, informer := range watched {
		cache.WaitForCacheSync(ctx.Done(), informer.HasSynced)
	}
	return func() {
		cancel()
		for _, f := range factories {
			f.Shutdown()
		}
	}, nil
}

func (c *controller) noteChanges() cache.ResourceEventHandler {
	note := func() {
		select {
		case c.changed <- struct{}{}:
		default: // one note is enough
		}
	}
	return cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { note() },
		UpdateFunc: func(any, any) { note() },
		DeleteFunc: func(any) { note() },
	}
}

// serve runs nginx, and reloads it for every change that makes a difference.
func (c *controller) serve(ctx context.Context) error {
	current, err := c.layout(1)
	if err != nil {
		return err
	}
	nginx, err := startMaster(context.WithoutCancel(ctx), current, c.log)
	if err != nil {
		return err
	}
	c.live.Store(true)
	var retry <-chan time.Time // nil while nginx has what the cluster asks for
	generation := current.generation
	for {
		select {
		case <-ctx.Done():
			c.live.Store(false)
			return nginx.quit()
		case <-nginx.exited:
			return fmt.Errorf("nginx ended: %w", nginx.err)
		case <-c.changed:
		case <-retry:
		}
		select {
		case <-ctx.Done(): // handled above
			continue
		case <-time.After(batch):
		}
		generation++ // also after a failure: nginx may take that configuration yet
		retry = nil
		if current, err = c.update(ctx, nginx, current, generation); err != nil {
			_, _ = fmt.Fprintf(c.log, "keep the old configuration: %v\n", err)
			retry = time.After(retryAfter)
		}
	}
}

// update returns the layout that nginx has then, with the generation given if it
// is another one, or none if that is not known.
func (c *controller) update(ctx context.Context, nginx *master, current layout, generation int) (layout, error) {
	next, err := c.layout(current.generation)
	if err != nil || reflect.DeepEqual(next, current) {
		return current, err
	}
	next.generation = generation
	if err := nginx.reload(ctx, next); err != nil {
		return layout{}, err // which one nginx has is not known: any is news to it
	}
	return next, nil
}

func (c *controller) layout(generation int) (layout, error) {
	var w world
	var errs [3]error
	w.ingresses, errs[0] = c.ingresses.List(labels.Everything())
	w.services, errs[1] = c.services.List(labels.Everything())
	w.slices, errs[2] = c.slices.List(labels.Everything())
	if err := errors.Join(errs[:]...); err != nil {
		return layout{}, err
	}
	l := layout{settings: defaultSettings(), openFiles: openFiles(), dir: dir, root: os.Geteuid() == 0, generation: generation}
	if c.settings != nil {
		maps, err := c.settings.List(labels.Everything())
		if err != nil {
			return layout{}, err
		}
		for _, m := range maps {
			l.settings.apply(m.Data, c.log)
		}
	}
	l.sites, l.upstreams = assign(w, c.class)
	return l, nil
}

// serveStatus answers the kubelet: /nginx-health as soon as the controller
// runs, /nginx-ready once nginx serves what the cluster asks for.
func (c *controller) serveStatus() (stop func()) {
	if !c.ready {
		return func() {}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/nginx-health", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/nginx-ready", func(w http.ResponseWriter, _ *http.Request) {
		if !c.live.Load() {
			http.Error(w, "not ready", http.StatusServiceUnavailable)
		}
	})
	server := &http.Server{Addr: fmt.Sprintf(":%d", c.readyPort), Handler: mux, ReadHeaderTimeout: time.Minute}
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
			_, _ = fmt.Fprintf(c.log, "serve status: %v\n", err)
		}
	})
	return func() {
		_ = server.Close()
		serving.Wait()
	}
}
