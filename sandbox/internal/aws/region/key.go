package region

import "encoding/json"

// Key is AWS::KMS::Key. Nothing here is encrypted with it: what counts is whether it is there.
type Key struct {
	ID      string `json:"KeyId"`
	Arn     string
	Policy  json.RawMessage `json:"KeyPolicy,omitempty"`
	Spec    string          `json:"KeySpec"`
	Usage   string          `json:"KeyUsage"`
	Enabled *bool           `json:",omitempty"`
	Tags    Tags            `json:",omitempty"`
	Rest    Rest            `json:",omitempty"`
}

// CreateKey makes a key.
func (s *State) CreateKey(k *Key) (string, error) {
	if k.Spec == "" {
		k.Spec = "SYMMETRIC_DEFAULT"
	}
	if k.Usage == "" {
		k.Usage = "ENCRYPT_DECRYPT"
	}
	yes := true
	if k.Enabled == nil {
		k.Enabled = &yes
	}
	k.ID = UUID()
	k.Arn = s.ARN("kms", "key/"+k.ID)
	s.Keys[k.ID] = k
	return k.ID, nil
}

// DeleteKey ends a key at once; KMS waits for seven days at least.
func (s *State) DeleteKey(k *Key) error {
	delete(s.Keys, k.ID)
	return nil
}

// encrypts checks a key for the Secrets of a cluster.
func (s *State) encrypts(arn string) error {
	for _, k := range s.Keys {
		if k.Arn != arn {
			continue
		}
		if k.Spec != "SYMMETRIC_DEFAULT" || !*k.Enabled {
			return Errorf(Invalid, "InvalidParameterException", "The keyArn in encryptionConfig provider: %s is not valid: it must be an enabled symmetric key", arn)
		}
		return nil
	}
	return Errorf(Invalid, "InvalidParameterException", "The keyArn in encryptionConfig provider: %s could not be found", arn)
}
