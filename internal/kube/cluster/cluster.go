// Package cluster is Kubernetes as a hand-over sees it: it watches what a move
// depends on, turns the objects into a handover.Snapshot, and carries out the
// few writes that a move consists of.
//
// Open starts the watches and returns when they are filled; from then on a look
// at the cluster is a look at memory. Snapshots may lag behind the API server
// by the time an event travels, which package handover is made for: it asks
// again for whatever it does not yet see.
package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"github.com/droverhq/drover/internal/handover"
	"github.com/droverhq/drover/problem"
)

// fillTime is how long the first answers may take. A cluster of 5,000 nodes
// lists in a few seconds.
const fillTime = time.Minute

// manager is the name under which changes appear in managedFields.
const manager = "drover"

// Cluster is an open connection with its watches.
type Cluster struct {
	client  kubernetes.Interface
	factory informers.SharedInformerFactory
	changed chan struct{}
	cancel  context.CancelFunc

	mu     sync.Mutex
	broken error // the last error of a watch, for the one who waits in Open
}

var _ handover.Cluster = (*Cluster)(nil)

// Open watches the cluster until ctx ends or Close is called.
func Open(ctx context.Context, config *rest.Config) (*Cluster, error) {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", config.Host, err)
	}
	watching, cancel := context.WithCancel(ctx)
	c := &Cluster{
		client:  client,
		factory: informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithTransform(slim)),
		changed: make(chan struct{}, 1),
		cancel:  cancel,
	}
	if err := c.fill(watching, ctx); err != nil {
		c.Close()
		return nil, &problem.Error{
			Kind: problem.Outside, Op: "watch the cluster at " + config.Host, Err: err,
			Fix: "see that the endpoint can be reached and that your AWS identity may read the cluster (an EKS access entry with AmazonEKSClusterAdminPolicy)",
		}
	}
	return c, nil
}

// fill starts every watch and waits for its first answer.
func (c *Cluster) fill(watching, ctx context.Context) error {
	for _, informer := range c.informers() {
		if err := informer.SetWatchErrorHandlerWithContext(c.note); err != nil {
			return err
		}
		_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc:    func(any) { c.signal() },
			UpdateFunc: func(before, now any) { c.signalIfNew(before, now) },
			DeleteFunc: func(any) { c.signal() },
		})
		if err != nil {
			return err
		}
	}
	c.factory.Start(watching.Done())
	limited, cancel := context.WithTimeout(ctx, fillTime)
	defer cancel()
	for kind, full := range c.factory.WaitForCacheSync(limited.Done()) {
		if full {
			continue
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.broken != nil {
			return c.broken
		}
		return fmt.Errorf("no answer within %s for %s", fillTime, kind)
	}
	return nil
}

// informers are the kinds that a move depends on.
func (c *Cluster) informers() []cache.SharedIndexInformer {
	core, apps := c.factory.Core().V1(), c.factory.Apps().V1()
	return []cache.SharedIndexInformer{
		core.Nodes().Informer(),
		core.Pods().Informer(),
		core.Services().Informer(),
		core.PersistentVolumes().Informer(),
		core.PersistentVolumeClaims().Informer(),
		apps.Deployments().Informer(),
		apps.ReplicaSets().Informer(),
		apps.StatefulSets().Informer(),
		apps.DaemonSets().Informer(),
		c.factory.Discovery().V1().EndpointSlices().Informer(),
		c.factory.Policy().V1().PodDisruptionBudgets().Informer(),
		c.factory.Storage().V1().VolumeAttachments().Informer(),
	}
}

// slim drops what nothing here reads and what is half of many an object.
func slim(obj any) (any, error) {
	if m, err := meta.Accessor(obj); err == nil {
		m.SetManagedFields(nil)
	}
	return obj, nil
}

func (c *Cluster) note(_ context.Context, _ *cache.Reflector, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.broken = err
}

func (c *Cluster) signal() {
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

func (c *Cluster) signalIfNew(before, now any) {
	b, err := meta.Accessor(before)
	if err != nil {
		return
	}
	n, err := meta.Accessor(now)
	if err != nil || n.GetResourceVersion() == b.GetResourceVersion() {
		return
	}
	c.signal()
}

// Changed receives after something changed.
func (c *Cluster) Changed() <-chan struct{} { return c.changed }

// Close ends the watches and waits for them.
func (c *Cluster) Close() {
	c.cancel()
	c.factory.Shutdown()
}

// Snapshot is what the watches have seen by now.
func (c *Cluster) Snapshot() (handover.Snapshot, error) {
	o, err := c.objects()
	if err != nil {
		return handover.Snapshot{}, err
	}
	return o.snapshot(), nil
}

// Places are the nodes that would take a copy of each pod.
func (c *Cluster) Places(pods []handover.Ref) (map[string][]string, error) {
	o, err := c.objects()
	if err != nil {
		return nil, err
	}
	return o.places(pods), nil
}

// objects reads the watches' stores.
func (c *Cluster) objects() (objects, error) {
	core, apps := c.factory.Core().V1(), c.factory.Apps().V1()
	all := labels.Everything()
	var o objects
	var errs [12]error
	o.nodes, errs[0] = core.Nodes().Lister().List(all)
	o.pods, errs[1] = core.Pods().Lister().List(all)
	o.services, errs[2] = core.Services().Lister().List(all)
	o.volumes, errs[3] = core.PersistentVolumes().Lister().List(all)
	o.claims, errs[4] = core.PersistentVolumeClaims().Lister().List(all)
	o.deployments, errs[5] = apps.Deployments().Lister().List(all)
	o.replicaSets, errs[6] = apps.ReplicaSets().Lister().List(all)
	o.statefulSets, errs[7] = apps.StatefulSets().Lister().List(all)
	o.daemonSets, errs[8] = apps.DaemonSets().Lister().List(all)
	o.slices, errs[9] = c.factory.Discovery().V1().EndpointSlices().Lister().List(all)
	o.budgets, errs[10] = c.factory.Policy().V1().PodDisruptionBudgets().Lister().List(all)
	o.attachments, errs[11] = c.factory.Storage().V1().VolumeAttachments().Lister().List(all)
	return o, errors.Join(errs[:]...)
}

// PatchNode changes a node in one write. A node that is gone needs none.
func (c *Cluster) PatchNode(ctx context.Context, node string, p handover.Patch) error {
	body := metadata(p, "")
	if p.Unschedulable != nil {
		body["spec"] = map[string]any{"unschedulable": *p.Unschedulable}
	}
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	_, err = c.client.CoreV1().Nodes().Patch(ctx, node, types.MergePatchType, data, metav1.PatchOptions{FieldManager: manager})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// PatchPod changes that very pod in one write; the UID in the patch is the
// precondition, as ReplicaSets use it to release a pod.
func (c *Cluster) PatchPod(ctx context.Context, pod handover.Ref, p handover.Patch) error {
	data, err := json.Marshal(metadata(p, pod.UID))
	if err != nil {
		return err
	}
	_, err = c.client.CoreV1().Pods(pod.Namespace).Patch(ctx, pod.Name, types.MergePatchType, data, metav1.PatchOptions{FieldManager: manager})
	if apierrors.IsNotFound(err) || err != nil && c.another(ctx, pod) {
		return nil
	}
	return err
}

// another: the name belongs to another pod by now, or to none.
func (c *Cluster) another(ctx context.Context, pod handover.Ref) bool {
	live, err := c.client.CoreV1().Pods(pod.Namespace).Get(ctx, pod.Name, metav1.GetOptions{})
	return apierrors.IsNotFound(err) || err == nil && string(live.UID) != pod.UID
}

// metadata writes a patch as a JSON merge patch, in which null removes.
func metadata(p handover.Patch, uid string) map[string]any {
	m := map[string]any{}
	if uid != "" {
		m["uid"] = uid
	}
	if len(p.Labels) > 0 {
		m["labels"] = p.Labels
	}
	if len(p.Annotations) > 0 {
		m["annotations"] = p.Annotations
	}
	return map[string]any{"metadata": m}
}

// Evict asks the Eviction API. The pod keeps its own grace period. Refusals
// are answered at once: by default client-go would try again for minutes.
func (c *Cluster) Evict(ctx context.Context, pod handover.Ref) error {
	uid := types.UID(pod.UID)
	err := c.client.PolicyV1().RESTClient().Post().
		AbsPath("/api/v1").Namespace(pod.Namespace).Resource("pods").Name(pod.Name).SubResource("eviction").
		MaxRetries(0).
		VersionedParams(&metav1.CreateOptions{}, scheme.ParameterCodec).
		Body(&policyv1.Eviction{
			ObjectMeta:    metav1.ObjectMeta{Name: pod.Name, Namespace: pod.Namespace},
			DeleteOptions: &metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &uid}},
		}).
		Do(ctx).Error()
	switch {
	case err == nil, apierrors.IsNotFound(err):
		return nil
	case apierrors.IsConflict(err) && c.another(ctx, pod):
		return nil
	}
	if r := refusal(err, c.budgets(pod)); r != nil {
		return r
	}
	return err
}

// budgets names the disruption budgets that select the pod.
func (c *Cluster) budgets(pod handover.Ref) []string {
	live, err := c.factory.Core().V1().Pods().Lister().Pods(pod.Namespace).Get(pod.Name)
	if err != nil {
		return nil
	}
	budgets, err := c.factory.Policy().V1().PodDisruptionBudgets().Lister().GetPodPodDisruptionBudgets(live)
	if err != nil {
		return nil // none
	}
	var names []string
	for _, b := range budgets {
		names = append(names, b.Name)
	}
	slices.Sort(names)
	return names
}

// refusal reads a disruption budget's no: 429 with its cause, or 500 for a pod
// under two budgets. Nil: the error is something else.
func refusal(err error, budgets []string) *handover.Refusal {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return nil
	}
	s := status.Status()
	switch {
	case s.Code == 500 && len(budgets) > 1:
		return &handover.Refusal{Budget: strings.Join(budgets, " "), Why: "the Eviction API refuses pods under two PodDisruptionBudgets: " + strings.Join(budgets, ", ")}
	case s.Code != 429:
		return nil
	}
	if _, throttled := apierrors.StatusCause(err, policyv1.DisruptionBudgetCause); !throttled {
		return nil // the API server has too much to do; ask again
	}
	r := &handover.Refusal{Budget: strings.Join(budgets, " "), Why: "PodDisruptionBudget " + strings.Join(budgets, " ")}
	for _, cause := range s.Details.Causes {
		r.Why += ": " + cause.Message
	}
	return r
}

// DeleteNode removes a Node object.
func (c *Cluster) DeleteNode(ctx context.Context, node string) error {
	err := c.client.CoreV1().Nodes().Delete(ctx, node, metav1.DeleteOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
