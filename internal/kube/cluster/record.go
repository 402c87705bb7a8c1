package cluster

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"hash/fnv"
	"io"
	"regexp"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
)

// How a move's record lies in the cluster: a ConfigMap each. It is compressed,
// since a ConfigMap holds 1 MiB and the record of 5,000 nodes may be longer.
const (
	recordPrefix   = "drover-move-"
	recordLabel    = "drover.dev/record"
	recordValue    = "move"
	groupKey       = "group"
	recordKey      = "record.json.gz"
	moveAnnotation = "drover.dev/move" // on a Lease: whose it is
	longestName    = 200               // characters of a group's name in that of its ConfigMap
)

// SaveRecord keeps a move's record; nil removes it.
func (c *Cluster) SaveRecord(ctx context.Context, group string, record []byte) error {
	maps := c.client.CoreV1().ConfigMaps(ownNamespace)
	if record == nil {
		return unkept(ignoreNotFound(maps.Delete(ctx, recordName(group), metav1.DeleteOptions{})))
	}
	data, err := pack(record)
	if err != nil {
		return err
	}
	want := corev1ac.ConfigMap(recordName(group), ownNamespace).
		WithLabels(map[string]string{recordLabel: recordValue}).
		WithData(map[string]string{groupKey: group}).
		WithBinaryData(map[string][]byte{recordKey: data})
	_, err = maps.Apply(ctx, want, metav1.ApplyOptions{FieldManager: manager, Force: true})
	return unkept(err)
}

// unkept is why a record could not be written.
func unkept(err error) error {
	if apierrors.IsForbidden(err) {
		return barred(err)
	}
	return refused(err)
}

// Records are all moves' records, by group.
func (c *Cluster) Records(ctx context.Context) (map[string][]byte, error) {
	all, err := c.client.CoreV1().ConfigMaps(ownNamespace).List(ctx, metav1.ListOptions{LabelSelector: recordLabel + "=" + recordValue})
	if err != nil {
		return nil, barred(err)
	}
	found := map[string][]byte{}
	for _, m := range all.Items {
		record, err := unpack(m.BinaryData[recordKey])
		if err != nil {
			return nil, fmt.Errorf("read ConfigMap %s/%s: %w", m.Namespace, m.Name, err)
		}
		found[m.Data[groupKey]] = record
	}
	return found, nil
}

// notInNames is what a ConfigMap's name cannot have, and an Auto Scaling group's can.
var notInNames = regexp.MustCompile(`[^a-z0-9-]+`)

// recordName is drover-move-<group>; where the group's name cannot be part of a
// name here, a hash keeps it apart from others.
func recordName(group string) string {
	name := strings.Trim(notInNames.ReplaceAllString(strings.ToLower(group), "-"), "-")
	if name == group && len(name) <= longestName {
		return recordPrefix + name
	}
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(group)) // never fails
	return fmt.Sprintf("%s%s-%08x", recordPrefix, strings.Trim(name[:min(len(name), longestName)], "-"), hash.Sum32())
}

func pack(data []byte) ([]byte, error) {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(data); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func unpack(data []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}
