package spec

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/droverhq/drover/problem"
	"github.com/droverhq/drover/value"
)

// Config is what differs between stacks: the values of drover.<stack>.yaml.
//
//	config:
//	  aws:region: us-west-2
//	  db.password: !secret 5Jw…
//
// A value is text, or a value.Secret that is sealed with the stack's key.
type Config map[string]any

// RegionKey is the config key of the AWS region.
const RegionKey = "aws:region"

// Region is the AWS region that the config asks for; empty: the AWS chain's.
func (c Config) Region() string {
	region, _ := c[RegionKey].(string)
	return region
}

func (c Config) keys() []string { return slices.Sorted(maps.Keys(c)) }

// ConfigFile is the name of a stack's config file.
func ConfigFile(stack string) string { return "drover." + stack + ".yaml" }

// Encryption says how the key is kept under which the config's secrets are
// sealed; see package seal.
type Encryption struct {
	KMS string // URL of a key management service; empty: a passphrase
	Key string // the key, encrypted
}

// ReadEncryption reads it; it is empty if the config has no secret.
func ReadEncryption(fsys fs.FS, stack string) (Encryption, problem.List) {
	r := &reader{}
	_ = r.readConfig(fsys, ConfigFile(stack))
	return r.encryption, r.problems
}

// ReadConfig reads the config of a stack. A file that is not there is an
// empty config.
func ReadConfig(fsys fs.FS, stack string) (Config, problem.List) {
	r := &reader{}
	return r.readConfig(fsys, ConfigFile(stack)), r.problems
}

var regionName = regexp.MustCompile(`^[a-z]{2}(-[a-z]+)+-\d+$`)

func (r *reader) readConfig(fsys fs.FS, file string) Config {
	config := make(Config)
	data, err := r.file(fsys, file)
	if errors.Is(err, fs.ErrNotExist) {
		return config
	}
	if err != nil {
		r.fail(problem.Place{File: file}, "", "make the file readable", "read the config: %w", err)
		return config
	}
	for _, doc := range r.documents(file, data) {
		root, _ := doc.object("config: {key: value}", "config", "encryption")
		r.readEncryption(root.get("encryption"))
		for _, e := range root.get("config").entries("key: value") {
			config[e.name] = e.configValue()
		}
	}
	return config
}

func (r *reader) readEncryption(f field) {
	if !f.given() {
		return
	}
	o, ok := f.object("encryption: {key: ...}, as drover config set --secret writes it", "kms", "key")
	if !ok {
		return
	}
	if kms := o.get("kms"); kms.given() {
		r.encryption.KMS, _ = kms.word("kms: awskms://alias/drover?region=us-west-2")
	}
	r.encryption.Key, _ = o.need("key", "put the file back as it was").word("key: ...")
}

// configValue reads any scalar as text, just as it is written.
func (e entry) configValue() any {
	if !e.given() || e.node.Kind != yaml.ScalarNode {
		e.fail(fmt.Sprintf("drover config set %s VALUE", e.name), "want a single value, have %s", describe(e.node))
		return ""
	}
	if e.node.Tag == secretTag {
		if e.name == RegionKey {
			e.refuseSecret("us-west-2")
		}
		return value.Sealed(e.node.Value)
	}
	if e.name == RegionKey && !regionName.MatchString(e.node.Value) {
		e.fail("drover config set aws:region us-west-2", "%q is not the name of an AWS region", e.node.Value)
	}
	return e.node.Value
}

// SetConfig returns the text of a config file with one value set; comments and
// the order of the rest stay.
func SetConfig(old []byte, key, value string) ([]byte, error) {
	return editConfig(old, func(_, values *yaml.Node) error {
		at, err := mapValue(values, key, yaml.ScalarNode)
		if err == nil {
			at.SetString(value)
		}
		return err
	})
}

// SetSecret is SetConfig for a sealed value and the key that opens it.
func SetSecret(old []byte, key, sealed string, e Encryption) ([]byte, error) {
	return editConfig(old, func(root, values *yaml.Node) error {
		at, err := mapValue(values, key, yaml.ScalarNode)
		if err != nil {
			return err
		}
		at.SetString(sealed)
		at.Tag, at.Style = secretTag, yaml.TaggedStyle
		return setEncryption(root, e)
	})
}

// RemoveConfig returns the text of a config file without one value; the rest stays.
func RemoveConfig(old []byte, key string) (text []byte, was bool, err error) {
	text, err = editConfig(old, func(_, values *yaml.Node) error {
		for i := 0; i < len(values.Content); i += 2 {
			if values.Content[i].Value == key {
				values.Content = slices.Delete(values.Content, i, i+2)
				was = true
				return nil
			}
		}
		return nil
	})
	return text, was, err
}

// Reseal returns the text of a config file whose secrets are all sealed anew,
// with the key that opens them.
func Reseal(old []byte, seal func(sealed string) (string, error), e Encryption) ([]byte, error) {
	return editConfig(old, func(root, values *yaml.Node) error {
		for i := 1; i < len(values.Content); i += 2 {
			if at := values.Content[i]; at.Tag == secretTag {
				text, err := seal(at.Value)
				if err != nil {
					return err
				}
				at.SetString(text)
				at.Tag, at.Style = secretTag, yaml.TaggedStyle
			}
		}
		return setEncryption(root, e)
	})
}

func setEncryption(root *yaml.Node, e Encryption) error {
	encryption, err := mapValue(root, "encryption", yaml.MappingNode)
	if err != nil {
		return err
	}
	encryption.Content = nil
	for _, entry := range [][2]string{{"kms", e.KMS}, {"key", e.Key}} {
		if entry[1] == "" {
			continue
		}
		at, err := mapValue(encryption, entry[0], yaml.ScalarNode)
		if err != nil {
			return err
		}
		at.SetString(entry[1])
	}
	return nil
}

func editConfig(old []byte, edit func(root, values *yaml.Node) error) ([]byte, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(old, &doc); err != nil {
		return nil, fmt.Errorf("read the config: %w", err)
	}
	if doc.Kind == 0 {
		doc = yaml.Node{Kind: yaml.DocumentNode, Content: []*yaml.Node{{Kind: yaml.MappingNode}}}
	}
	root := doc.Content[0]
	if isNull(root) {
		*root = yaml.Node{Kind: yaml.MappingNode}
	}
	values, err := mapValue(root, "config", yaml.MappingNode)
	if err != nil {
		return nil, err
	}
	if err := edit(root, values); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(&doc); err != nil {
		return nil, fmt.Errorf("write the config: %w", err)
	}
	return b.Bytes(), enc.Close()
}

// mapValue is the value of a key of a mapping, made if it is not there.
func mapValue(m *yaml.Node, key string, kind yaml.Kind) (*yaml.Node, error) {
	if m.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("read the config: line %d: want a mapping, have %s", m.Line, describe(m))
	}
	for i := 0; i < len(m.Content); i += 2 {
		if m.Content[i].Value != key {
			continue
		}
		value := m.Content[i+1]
		if isNull(value) {
			value.Kind, value.Tag, value.Value = kind, "", ""
		}
		return value, nil
	}
	name, value := &yaml.Node{}, &yaml.Node{Kind: kind}
	name.SetString(key)
	m.Content = append(m.Content, name, value)
	return value, nil
}
