// Package machine is the word between the AWS endpoint, which decides that an
// instance shall run, and the supervisor, which runs it as a process: the
// types, and the client that the endpoint uses over the supervisor's socket.
package machine

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
)

// Machine is one EC2 instance that runs as a node process.
type Machine struct {
	ID             string            `json:"id"`             // i-0123456789abcdef0
	PrivateIP      string            `json:"privateIP"`      // 172.16.96.10
	PodCIDR        string            `json:"podCIDR"`        // 172.16.127.0/27: addresses of the subnet lent to this instance for its pods
	NodeName       string            `json:"nodeName"`       // ip-172-16-96-10.us-west-2.compute.internal
	ProviderID     string            `json:"providerID"`     // aws:///us-west-2a/i-0123456789abcdef0
	KubeletVersion string            `json:"kubeletVersion"` // v1.35.6, from the AMI
	Labels         map[string]string `json:"labels"`         // kubelet --node-labels
	Taints         []string          `json:"taints"`         // kubelet --register-with-taints: nginx=true:NoSchedule
	CPU            int               `json:"cpu"`            // vCPUs of the instance type
	MemoryMiB      int               `json:"memoryMiB"`
	MaxPods        int               `json:"maxPods"`
	Plane          int               `json:"plane,omitempty"` // the control plane of the cluster that it joins
}

// Zone is the availability zone that the machine is in.
func (m Machine) Zone() string {
	parts := strings.Split(m.ProviderID, "/")
	return parts[max(0, len(parts)-2)]
}

// Planes is how many clusters a sandbox holds at most. Each has a control plane of its own, of
// some hundred MB; all but the first run only while their cluster exists.
const Planes = 4

// Cluster is what the supervisor needs to run the control plane and the
// cloud-controller-manager for an EKS cluster that now exists.
type Cluster struct {
	Name     string `json:"name"`
	Plane    int    `json:"plane,omitempty"` // which control plane it has: 0 to Planes-1
	Region   string `json:"region"`
	VPCID    string `json:"vpcId"`
	SubnetID string `json:"subnetId"` // any subnet of the cluster
	RoleARN  string `json:"roleArn"`
	Bare     bool   `json:"bare,omitempty"`     // without the add-ons that EKS makes by itself
	Emulates string `json:"emulates,omitempty"` // 1.35.6: the version that the control plane answers as; empty: its program's own
}

// Endpoint is where a cluster's API server answers.
type Endpoint struct {
	Server    string `json:"server"`    // https://127.0.0.1:6443
	Authority string `json:"authority"` // PEM
}

// Client talks to the supervisor.
type Client struct{ http *http.Client }

// NewClient makes a Client for the supervisor's unix socket.
func NewClient(socket string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", socket)
	}
	return &Client{http: &http.Client{Transport: &http.Transport{DialContext: dial}}}
}

// Run starts the machine; one that runs already is left as it is.
func (c *Client) Run(ctx context.Context, m Machine) error {
	return c.call(ctx, http.MethodPut, "/machines/"+m.ID, m)
}

// Stop switches the machine off: its link is cut, and what runs there ends at once. Its
// disks stay, but for the instance's own, and Run starts it again.
func (c *Client) Stop(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodPost, "/machines/"+id+"/stop", nil)
}

// Reboot switches the machine off and on. All its disks stay.
func (c *Client) Reboot(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodPost, "/machines/"+id+"/reboot", nil)
}

// Terminate cuts the machine's link, ends everything on it and returns when
// nothing of it is left. A machine that is not there is no error.
func (c *Client) Terminate(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodDelete, "/machines/"+id, nil)
}

// CreateCluster gives the cluster its control plane and its cloud-controller-manager. A cluster
// that is there gets the version it emulates, by a control plane that is started anew.
func (c *Client) CreateCluster(ctx context.Context, cl Cluster) (at Endpoint, err error) {
	err = c.ask(ctx, http.MethodPut, clusterPath(cl.Plane), cl, &at)
	return at, err
}

// DeleteCluster stops the cloud-controller-manager, and ends the control plane or, of the
// first one, gives it a fresh, empty store.
func (c *Client) DeleteCluster(ctx context.Context, plane int) error {
	return c.call(ctx, http.MethodDelete, clusterPath(plane), nil)
}

func clusterPath(plane int) string { return fmt.Sprintf("/clusters/%d", plane) }

func (c *Client) call(ctx context.Context, method, path string, body any) error {
	return c.ask(ctx, method, path, body, nil)
}

// ask sends an order and reads what the supervisor answers, if out is not nil.
func (c *Client) ask(ctx context.Context, method, path string, body, out any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://supervisor"+path, bytes.NewReader(data))
	if err != nil {
		return err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("ask the supervisor: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode >= 300 {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
		return fmt.Errorf("supervisor: %s %s: %s: %s", method, path, resp.Status, bytes.TrimSpace(text))
	}
	if out == nil {
		return nil
	}
	return json.NewDecoder(resp.Body).Decode(out)
}
