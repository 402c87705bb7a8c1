package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/droverhq/drover/internal/handover"
)

// How the lock of a move lies in the cluster: a Lease of the same name as its
// record. An update holds only for the Lease as it was read, so of several who
// come at once one gets it.

// wishAnnotation is what somebody asks of the holder.
const wishAnnotation = "drover.dev/wish"

// Lock takes the lock or renews it.
func (c *Cluster) Lock(ctx context.Context, move, holder string, d time.Duration) (handover.Lock, error) {
	leases := c.client.CoordinationV1().Leases(ownNamespace)
	live, err := leases.Get(ctx, recordName(move), metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		made, err := leases.Create(ctx, c.lease(move, holder, d, &coordinationv1.Lease{}), metav1.CreateOptions{FieldManager: manager})
		return lockOf(made), barred(another(err))
	}
	if err != nil {
		return handover.Lock{}, barred(err)
	}
	if l := lockOf(live); l.Holder != holder && l.Live(c.clock.Now()) {
		return l, &handover.Held{Lock: l}
	}
	renewed, err := leases.Update(ctx, c.lease(move, holder, d, live), metav1.UpdateOptions{FieldManager: manager})
	return lockOf(renewed), barred(another(err))
}

// another: somebody else was quicker. Who it was, the next attempt tells.
func another(err error) error {
	if apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("somebody else took or changed it at the same time: %w", err)
	}
	return err
}

// lease is what a Lease becomes when the holder takes or renews it.
func (c *Cluster) lease(move, holder string, d time.Duration, was *coordinationv1.Lease) *coordinationv1.Lease {
	now, seconds := metav1.NewMicroTime(c.clock.Now()), int32(d/time.Second)
	l := was.DeepCopy()
	l.Namespace, l.Name = ownNamespace, recordName(move)
	if l.Labels == nil {
		l.Labels = map[string]string{}
	}
	if l.Annotations == nil {
		l.Annotations = map[string]string{}
	}
	l.Labels[recordLabel], l.Annotations[moveAnnotation] = recordValue, move
	if l.Spec.HolderIdentity == nil || *l.Spec.HolderIdentity != holder {
		l.Spec.AcquireTime = &now
		delete(l.Annotations, wishAnnotation) // it was asked of another
	}
	l.Spec.HolderIdentity, l.Spec.LeaseDurationSeconds, l.Spec.RenewTime = &holder, &seconds, &now
	return l
}

// lockOf reads a Lease; nil is none.
func lockOf(l *coordinationv1.Lease) (lock handover.Lock) {
	if l == nil || l.Spec.HolderIdentity == nil || l.Spec.RenewTime == nil || l.Spec.LeaseDurationSeconds == nil {
		return lock
	}
	lock = handover.Lock{Holder: *l.Spec.HolderIdentity, Renewed: l.Spec.RenewTime.Time, For: time.Duration(*l.Spec.LeaseDurationSeconds) * time.Second}
	if l.Spec.AcquireTime != nil {
		lock.Since = l.Spec.AcquireTime.Time
	}
	if err := json.Unmarshal([]byte(l.Annotations[wishAnnotation]), &lock.Wish); err != nil {
		lock.Wish = handover.Wish{} // none, or none that can be read
	}
	return lock
}

// Unlock gives a lock back that is the holder's.
func (c *Cluster) Unlock(ctx context.Context, move, holder string) error {
	leases := c.client.CoordinationV1().Leases(ownNamespace)
	live, err := leases.Get(ctx, recordName(move), metav1.GetOptions{})
	if err != nil || lockOf(live).Holder != holder {
		return barred(ignoreNotFound(err))
	}
	only := metav1.Preconditions{UID: &live.UID, ResourceVersion: &live.ResourceVersion}
	return barred(ignoreNotFound(leases.Delete(ctx, live.Name, metav1.DeleteOptions{Preconditions: &only})))
}

// Locks are those of all moves.
func (c *Cluster) Locks(ctx context.Context) (map[string]handover.Lock, error) {
	all, err := c.client.CoordinationV1().Leases(ownNamespace).List(ctx, metav1.ListOptions{LabelSelector: recordLabel + "=" + recordValue})
	if err != nil {
		return nil, barred(err)
	}
	found := map[string]handover.Lock{}
	for i := range all.Items {
		found[all.Items[i].Annotations[moveAnnotation]] = lockOf(&all.Items[i])
	}
	return found, nil
}

// Ask puts a wish to whoever holds the lock of a move.
func (c *Cluster) Ask(ctx context.Context, move string, w handover.Wish) error {
	var text *string
	if w.What != "" {
		data, err := json.Marshal(w)
		if err != nil {
			return err
		}
		s := string(data)
		text = &s
	}
	patch, err := json.Marshal(map[string]any{"metadata": metadata(handover.Patch{Annotations: map[string]*string{wishAnnotation: text}})})
	if err != nil {
		return err
	}
	_, err = c.client.CoordinationV1().Leases(ownNamespace).Patch(ctx, recordName(move), types.MergePatchType, patch, metav1.PatchOptions{FieldManager: manager})
	return barred(err)
}
