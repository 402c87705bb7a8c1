package region

import "time"

// Operation is one Cloud Control request. It is part of the state, so that a
// token outlives the process and a request in flight goes on after a restart.
type Operation struct {
	Token       string
	ClientToken string `json:",omitempty"`
	Fingerprint string // of the request, to tell a repetition from another one
	Type        string
	Action      string         // CREATE, UPDATE, DELETE
	Identifier  string         `json:",omitempty"`
	Want        map[string]any `json:",omitempty"` // dropped when it has ended
	Status      string         // PENDING, IN_PROGRESS, SUCCESS, FAILED, CANCEL_COMPLETE
	Applied     bool           // the object was changed; what is left is to wait
	Message     string         `json:",omitempty"`
	ErrorCode   string         `json:",omitempty"`
	Started     time.Time
	Changed     time.Time
	Stack       string `json:",omitempty"` // whose it is: no client of Cloud Control has sent it
}

// Ended tells whether nothing more will happen.
func (o *Operation) Ended() bool {
	return o.Status != "PENDING" && o.Status != "IN_PROGRESS"
}
