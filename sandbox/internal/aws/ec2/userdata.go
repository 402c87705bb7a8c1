package ec2

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"strings"

	"sigs.k8s.io/yaml"
)

// nodeConfig is what nodeadm, the program that AL2023 nodes boot with, reads
// from user data. Several parts merge in their order.
type nodeConfig struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Spec       struct {
		Cluster struct {
			Name                 string `json:"name"`
			APIServerEndpoint    string `json:"apiServerEndpoint"`
			CertificateAuthority string `json:"certificateAuthority"` // base64 PEM
			CIDR                 string `json:"cidr"`                 // of Services
		} `json:"cluster"`
		Kubelet struct {
			Flags  []string `json:"flags"`
			Config struct {
				RegisterWithTaints []struct {
					Key    string `json:"key"`
					Value  string `json:"value"`
					Effect string `json:"effect"`
				} `json:"registerWithTaints"`
				MaxPods int `json:"maxPods"`
			} `json:"config"`
		} `json:"kubelet"`
	} `json:"spec"`
}

// parseUserData finds the NodeConfig in base64 user data: MIME multipart with
// a part of type application/node.eks.aws, or that document alone.
func parseUserData(text string) (nodeConfig, error) {
	var config nodeConfig
	raw, err := decoded(text)
	if err != nil {
		return config, err
	}
	parts, err := configParts(raw)
	if err != nil {
		return config, err
	}
	if len(parts) == 0 {
		return config, errors.New("user data holds no part of type application/node.eks.aws")
	}
	for _, part := range parts {
		flags := config.Spec.Kubelet.Flags
		config.Spec.Kubelet.Flags = nil
		if err := yaml.Unmarshal(part, &config); err != nil {
			return config, fmt.Errorf("NodeConfig: %w", err)
		}
		config.Spec.Kubelet.Flags = append(flags, config.Spec.Kubelet.Flags...)
		if config.APIVersion != "node.eks.aws/v1alpha1" || config.Kind != "NodeConfig" {
			return config, fmt.Errorf("NodeConfig: apiVersion %q and kind %q must be node.eks.aws/v1alpha1 and NodeConfig",
				config.APIVersion, config.Kind)
		}
	}
	return config, nil
}

// decoded is user data as a node reads it.
func decoded(text string) ([]byte, error) {
	if text == "" {
		return nil, errors.New("there is no user data")
	}
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("user data is not base64: %w", err)
	}
	return raw, nil
}

func configParts(raw []byte) ([][]byte, error) {
	msg, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return [][]byte{raw}, nil // no headers: the document itself
	}
	kind, params, err := mime.ParseMediaType(msg.Header.Get("Content-Type"))
	switch {
	case err != nil:
		return [][]byte{raw}, nil
	case kind == "application/node.eks.aws":
		body, err := io.ReadAll(msg.Body)
		return [][]byte{body}, err
	case !strings.HasPrefix(kind, "multipart/"):
		return nil, fmt.Errorf("user data is of type %s", kind)
	}
	var parts [][]byte
	for reader := multipart.NewReader(msg.Body, params["boundary"]); ; {
		part, err := reader.NextPart()
		if errors.Is(err, io.EOF) {
			return parts, nil
		}
		if err != nil {
			return nil, fmt.Errorf("user data is not MIME multipart: %w", err)
		}
		body, err := io.ReadAll(part)
		if err != nil {
			return nil, fmt.Errorf("user data is not MIME multipart: %w", err)
		}
		if kind, _, _ := mime.ParseMediaType(part.Header.Get("Content-Type")); kind == "application/node.eks.aws" {
			parts = append(parts, body)
		}
	}
}

// labels are those of --node-labels.
func (c nodeConfig) labels() (map[string]string, error) {
	labels := map[string]string{}
	for _, value := range c.flag("--node-labels") {
		for pair := range strings.SplitSeq(value, ",") {
			key, v, ok := strings.Cut(pair, "=")
			if !ok {
				return nil, fmt.Errorf("kubelet: --node-labels: %q is not key=value", pair)
			}
			labels[key] = v
		}
	}
	return labels, nil
}

// taints are those of --register-with-taints and of registerWithTaints.
func (c nodeConfig) taints() []string {
	var list []string
	for _, value := range c.flag("--register-with-taints") {
		list = append(list, strings.Split(value, ",")...)
	}
	for _, t := range c.Spec.Kubelet.Config.RegisterWithTaints {
		list = append(list, fmt.Sprintf("%s=%s:%s", t.Key, t.Value, t.Effect))
	}
	return list
}

func (c nodeConfig) flag(name string) []string {
	var values []string
	for _, f := range c.Spec.Kubelet.Flags {
		if value, ok := strings.CutPrefix(f, name+"="); ok && value != "" {
			values = append(values, value)
		}
	}
	return values
}
