package region

import "time"

// Claim is a client token of one operation, and what the request asked for.
type Claim struct {
	Operation   string // CreateNatGateway
	Token       string // empty: the client sent none
	Fingerprint string // of the request's parameters
}

// Made is what a request with a client token has made.
type Made struct {
	Fingerprint string
	ID          string
	At          time.Time
}

// claimed is how long a client token is remembered; a day is what EC2 promises.
const claimed = 24 * time.Hour

// Once makes something, or finds what the same request has made before.
// Another request with the same token is refused with the code of its service.
func (s *State) Once(c Claim, now time.Time, mismatch string, create func() (string, error)) (string, error) {
	if c.Token == "" {
		return create()
	}
	for key, m := range s.Made {
		if now.Sub(m.At) > claimed {
			delete(s.Made, key)
		}
	}
	key := c.Operation + "|" + c.Token
	if m, ok := s.Made[key]; ok {
		if m.Fingerprint != c.Fingerprint {
			return "", Errorf(Invalid, mismatch, "The request uses the same client token as a previous, but non-identical request: %s", c.Token)
		}
		return m.ID, nil
	}
	id, err := create()
	if err == nil {
		s.Made[key] = &Made{Fingerprint: c.Fingerprint, ID: id, At: now}
	}
	return id, err
}
