// Package table prints Kubernetes objects as `kubectl get -o wide` does: the
// API server makes the columns, kubectl's own printer sets them. It serves
// those who look at a cluster (the demo); nothing decides by it.
package table

import (
	"context"
	"fmt"
	"io"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/cli-runtime/pkg/printers"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Client reads tables from one cluster.
type Client struct{ config *rest.Config }

// New makes a Client from the text of a kubeconfig.
func New(kubeconfig []byte) (*Client, error) {
	config, err := clientcmd.RESTConfigFromKubeConfig(kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig: %w", err)
	}
	return &Client{config: config}, nil
}

// Wide prints a resource of the core group ("nodes", "pods", "services");
// namespace "" means all of them.
func (c *Client) Wide(ctx context.Context, w io.Writer, resource, namespace string) error {
	config := rest.CopyConfig(c.config)
	config.APIPath = "/api"
	config.GroupVersion = &schema.GroupVersion{Version: "v1"}
	config.NegotiatedSerializer = serializer.WithoutConversionCodecFactory{CodecFactory: scheme.Codecs}
	config.AcceptContentTypes = "application/json;as=Table;v=v1;g=meta.k8s.io"
	client, err := rest.RESTClientFor(config)
	if err != nil {
		return err
	}
	var table metav1.Table
	get := client.Get().Resource(resource).NamespaceIfScoped(namespace, namespace != "")
	if err := get.Do(ctx).Into(&table); err != nil {
		return fmt.Errorf("get %s: %w", resource, err)
	}
	return printers.NewTablePrinter(printers.PrintOptions{Wide: true}).PrintObj(&table, w)
}
