package spec

import "github.com/droverhq/drover/value"

const (
	// maxContent is what a ConfigMap or a Secret holds (Kubernetes' MaxSecretSize).
	maxContent = 1 << 20

	// maxObject is what etcd takes in one request unless it is told otherwise.
	maxObject = 3 << 19
)

// contentFields are the fields that count as a ConfigMap's or a Secret's content.
var contentFields = map[string][]string{
	"v1/ConfigMap": {"data", "binaryData"},
	secretType:     secretFields,
}

// checkSizes reports objects that Kubernetes is going to refuse for their size.
func (l *loader) checkSizes() {
	for _, o := range l.spec.Objects() {
		content := 0
		for _, field := range contentFields[o.Type] {
			size := textIn(o.Body[field])
			if field == "binaryData" || field == "data" && o.Type == secretType {
				size = size / 4 * 3 // base64
			}
			content += size
		}
		switch whole := textIn(o.Body); {
		case content > maxContent:
			l.fail(o.At, o.Key().String(), "split it, or put the files into an image or a volume",
				"it holds %d KiB, and a %s %d at most", content>>10, o.Kind(), maxContent>>10)
		case whole > maxObject:
			l.fail(o.At, o.Key().String(), "split it",
				"it has %d KiB, and Kubernetes stores objects of %d at most", whole>>10, maxObject>>10)
		}
	}
}

// textIn is how many bytes of text a tree holds, keys included. What is not
// known yet does not count.
func textIn(v any) int {
	switch v := v.(type) {
	case string:
		return len(v)
	case value.Secret:
		plain, err := v.Reveal()
		if err != nil {
			return 0
		}
		return textIn(plain)
	case []any:
		n := 0
		for _, e := range v {
			n += textIn(e)
		}
		return n
	case map[string]any:
		n := 0
		for k, e := range v {
			n += len(k) + textIn(e)
		}
		return n
	}
	return 0
}
