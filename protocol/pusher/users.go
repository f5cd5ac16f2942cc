package pusher

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"stentor/protocol"
)

// Member is a user in a presence channel.
type Member struct {
	User string
	Info json.RawMessage // nil if there is none
}

// User is who has signed in.
type User struct {
	ID        string
	Info      json.RawMessage // an object; nil if there is none
	Watchlist []string        // ids, each once; at most MaxWatchlist
	Cut       bool            // the watchlist had more
}

// MaxWatchlist is how many users one can watch.
const MaxWatchlist = 100

// ErrNoUser says that channel_data names no user: it is who has signed in, if
// anybody.
var ErrNoUser = errors.New(`channel_data has no "user_id", and nobody has signed in`)

var (
	memberFields = []string{"user_id", "user_info"}
	userFields   = []string{"id", "user_info", "watchlist"}
)

// ParseMember reads channel_data, which may be empty. user_id is text or a whole
// number, as it is written; without it the error is ErrNoUser, and Info is still
// told. user_info is any JSON of at most maxInfo bytes (0: any size).
func ParseMember(channelData string, maxInfo int) (Member, error) {
	if channelData == "" {
		return Member{}, ErrNoUser
	}
	var v [2][]byte
	if err := object(channelData, memberFields, v[:]); err != nil {
		return Member{}, fmt.Errorf("channel_data: %w", err)
	}
	info, err := infoField(v[1], maxInfo)
	if err != nil {
		return Member{}, fmt.Errorf("channel_data: %w", err)
	}
	m := Member{Info: info}
	switch id := v[0]; {
	case id == nil:
		return m, ErrNoUser
	case isString(id):
		m.User = string(text(id))
	case kind(id) != "a number":
		return Member{}, fmt.Errorf(`channel_data: "user_id" must be a string or a whole number, not %s`, kind(id))
	case !whole(string(id)):
		return Member{}, fmt.Errorf(`channel_data: "user_id" is the number %.40s: write it as a string, or as digits`, id)
	default:
		m.User = string(id)
	}
	if err := protocol.CheckUser(m.User); err != nil {
		return Member{}, fmt.Errorf(`channel_data: "user_id": %w`, err)
	}
	return m, nil
}

// whole reports whether a JSON number is an integer that has no other form:
// 1e2, 10.0 and -0 are none.
func whole(n string) bool { return n != "-0" && digits(strings.TrimPrefix(n, "-")) }

// ParseUser reads user_data. The id is of the characters of channel names, and
// obeys protocol.CheckUser. user_info is an object of at most maxInfo bytes (0:
// any size).
func ParseUser(userData string, maxInfo int) (User, error) {
	u, err := parseUser(userData, maxInfo)
	if err != nil {
		return User{}, fmt.Errorf("user_data: %w", err)
	}
	return u, nil
}

func parseUser(userData string, maxInfo int) (u User, err error) {
	var v [3][]byte
	if err := object(userData, userFields, v[:]); err != nil {
		return u, err
	}
	if u.ID, err = stringField("id", v[0]); err != nil {
		return u, err
	}
	if err := checkID(u.ID); err != nil {
		return u, fmt.Errorf(`"id": %w`, err)
	}
	if u.Info, err = infoField(v[1], maxInfo); err != nil {
		return u, err
	}
	if u.Info != nil && u.Info[0] != '{' {
		return u, fmt.Errorf(`"user_info" must be an object, not %s`, kind(u.Info))
	}
	u.Watchlist, u.Cut, err = watchlist(v[2])
	return u, err
}

// checkID tells what is wrong with the id of a user who signs in.
func checkID(id string) error {
	if err := protocol.CheckUser(id); err != nil {
		return err
	}
	if protocol.CheckChannel(id) != nil { // shorter than a channel's name, so it is a character
		return errors.New("the user id may have letters, digits and _ - = @ , . ; only")
	}
	return nil
}

func watchlist(b []byte) (found []string, cut bool, err error) {
	if absent(b) {
		return nil, false, nil
	}
	ids, err := stringList("watchlist", b)
	if err != nil {
		return nil, false, err
	}
	seen := make(map[string]bool, min(len(ids), MaxWatchlist))
	for i, id := range ids {
		if err := protocol.CheckUser(id); err != nil {
			return nil, false, fmt.Errorf("watchlist[%d]: %w", i, err)
		}
		if seen[id] {
			continue
		}
		if len(found) == MaxWatchlist {
			cut = true
			continue
		}
		seen[id] = true
		found = append(found, id)
	}
	return found, cut, nil
}

func infoField(b []byte, most int) (json.RawMessage, error) {
	if absent(b) {
		return nil, nil
	}
	if most > 0 && len(b) > most {
		return nil, fmt.Errorf(`"user_info" has %d bytes, at most %d are allowed`, len(b), most)
	}
	return bytes.Clone(b), nil
}

// object checks a text and finds the fields of the object that it is.
func object(s string, names []string, values [][]byte) error {
	b := []byte(s)
	if err := check(b); err != nil {
		return fmt.Errorf("it is %w", err)
	}
	return fields(b, names, values)
}
