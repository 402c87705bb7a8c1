package kube

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/droverhq/drover/internal/sleep"
)

// client is one connection to one cluster.
type client struct {
	dynamic   dynamic.Interface
	discovery discovery.DiscoveryInterface

	mu    sync.Mutex
	kinds map[string][]metav1.APIResource // by group and version: "apps/v1"
}

func newClient(config *rest.Config) (*client, error) {
	d, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", config.Host, err)
	}
	disco, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", config.Host, err)
	}
	return &client{dynamic: d, discovery: disco, kinds: map[string][]metav1.APIResource{}}, nil
}

// errNoKind: the API server serves no such kind, so there are no objects of it.
var errNoKind = errors.New("the cluster has no such kind")

// resource finds how a kind is served. One group and version is read at a time,
// and read again if the kind is not in it: a CRD may have come since.
func (c *client) resource(ctx context.Context, gv schema.GroupVersion, kind string) (metav1.APIResource, error) {
	c.mu.Lock()
	known := c.kinds[gv.String()]
	c.mu.Unlock()
	if r, ok := pick(known, kind); ok {
		return r, nil
	}
	list, err := c.list(ctx, gv)
	if err != nil {
		return metav1.APIResource{}, err
	}
	c.mu.Lock()
	c.kinds[gv.String()] = list
	c.mu.Unlock()
	if r, ok := pick(list, kind); ok {
		return r, nil
	}
	return metav1.APIResource{}, fmt.Errorf("%s %s: %w", gv, kind, errNoKind)
}

func (c *client) list(ctx context.Context, gv schema.GroupVersion) ([]metav1.APIResource, error) {
	path := "/apis/" + gv.String()
	if gv.Group == "" {
		path = "/api/" + gv.Version
	}
	var list metav1.APIResourceList
	err := c.discovery.RESTClient().Get().AbsPath(path).Do(ctx).Into(&list)
	if apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("%s: %w", gv, errNoKind)
	}
	return list.APIResources, err
}

func pick(list []metav1.APIResource, kind string) (metav1.APIResource, bool) {
	for _, r := range list {
		if r.Kind == kind && !strings.Contains(r.Name, "/") { // deployments/scale is of kind Scale
			return r, true
		}
	}
	return metav1.APIResource{}, false
}

// target is one object's place in the API.
type target struct {
	gvk       schema.GroupVersionKind
	resource  string // deployments
	namespace string // empty: cluster-scoped
	name      string
}

// typ is the type as a stack file has it: v1/Service, apps/v1/Deployment.
func (t target) typ() string { return t.gvk.GroupVersion().String() + "/" + t.gvk.Kind }

// String is how kubectl would name it: deployment apps/nginx.
func (t target) String() string {
	kind := strings.ToLower(t.gvk.Kind)
	if t.namespace == "" {
		return kind + " " + t.name
	}
	return kind + " " + t.namespace + "/" + t.name
}

// kubectl is the object as arguments of kubectl: -n apps deployment/nginx.
func (t target) kubectl() string {
	text := strings.ToLower(t.gvk.Kind) + "/" + t.name
	if t.namespace != "" {
		text = "-n " + t.namespace + " " + text
	}
	return text
}

func (c *client) at(t target) dynamic.ResourceInterface {
	all := c.dynamic.Resource(t.gvk.GroupVersion().WithResource(t.resource))
	if t.namespace == "" {
		return all
	}
	return all.Namespace(t.namespace)
}

func (c *client) get(ctx context.Context, t target) (*unstructured.Unstructured, error) {
	return c.at(t).Get(ctx, t.name, metav1.GetOptions{})
}

// glance is how often an object that does not change is looked at again, since
// the reason why it does not may (its pods, its events).
const glance = 2 * time.Second

// follow shows see every state of an object from now on, and at each glance
// the last one again, until see is done. A nil object is gone.
func (c *client) follow(ctx context.Context, t target, see func(*unstructured.Unstructured) (bool, error)) error {
	for {
		var obj *unstructured.Unstructured
		err := patiently(ctx, nil, func() (err error) {
			obj, err = c.get(ctx, t)
			if apierrors.IsNotFound(err) {
				obj, err = nil, nil
			}
			return err
		})
		if err != nil {
			return err
		}
		if done, err := see(obj); done || err != nil {
			return err
		}
		if done, err := c.watch(ctx, t, obj, see); done || err != nil {
			return err
		}
	}
}

// watch ends without a result when the API server ends the watch, or refuses it.
func (c *client) watch(ctx context.Context, t target, obj *unstructured.Unstructured,
	see func(*unstructured.Unstructured) (bool, error)) (done bool, err error) {
	options := metav1.ListOptions{FieldSelector: fields.OneTermEqualSelector("metadata.name", t.name).String()}
	if obj != nil {
		options.ResourceVersion = obj.GetResourceVersion()
	}
	w, err := c.at(t).Watch(ctx, options)
	if err != nil {
		return false, sleep.For(ctx, glance)
	}
	defer w.Stop()
	ticker := time.NewTicker(glance)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-ticker.C:
		case e, open := <-w.ResultChan():
			switch live, is := e.Object.(*unstructured.Unstructured); {
			case !open || e.Type == watch.Error || !is:
				return false, sleep.For(ctx, firstPause)
			case e.Type == watch.Deleted:
				obj = nil
			default:
				obj = live
			}
		}
		if done, err := see(obj); done || err != nil {
			return done, err
		}
	}
}

// How long calls are repeated that fail for a reason which usually passes.
const (
	outageFor = 2 * time.Minute // an API server that restarts, or a new cluster whose name DNS does not know yet
	// rightsFor bounds what access entries, and a new namespace's default service account, take to come into effect.
	rightsFor = 15 * time.Second
	// strangerFor bounds what a new cluster takes to know its callers; a cluster that was made anew under the same
	// name, or one that is gone behind its address, never does.
	strangerFor = 30 * time.Second
	firstPause  = 250 * time.Millisecond
	lastPause   = 5 * time.Second
)

// patiently repeats a call while its error may pass.
func patiently(ctx context.Context, wait func(string), call func() error) error {
	start := time.Now()
	for d := firstPause; ; d = min(2*d, lastPause) {
		err := call()
		if err == nil || time.Since(start) >= patience(err) {
			return err
		}
		if wait != nil {
			wait("trying again: " + err.Error())
		}
		if ended := sleep.For(ctx, d); ended != nil {
			return fmt.Errorf("%w: %w", ended, err)
		}
	}
}

func patience(err error) time.Duration {
	var network net.Error
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), errors.Is(err, errNoToken):
		return 0
	case apierrors.IsForbidden(err):
		return rightsFor
	case badManifest(err):
		return 0
	case apierrors.IsTooManyRequests(err), apierrors.IsServerTimeout(err), apierrors.IsTimeout(err),
		apierrors.IsServiceUnavailable(err), apierrors.IsInternalError(err):
		return outageFor
	case apierrors.IsUnauthorized(err):
		return strangerFor
	case errors.As(err, &network), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		if strings.Contains(err.Error(), "x509:") {
			return 0 // the wrong certificate stays wrong
		}
		return outageFor
	}
	return 0
}

// badManifest tells fields that the kind does not have; the API server calls
// them an internal error of its own.
func badManifest(err error) bool {
	return apierrors.IsInternalError(err) && strings.Contains(err.Error(), "failed to create typed patch object")
}
