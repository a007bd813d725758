package sensitive_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/headgate-mesh/headgate/services/router/internal/sensitive"
)

// spellings are a card's number as people write it.
func spellings(number string) []string {
	sizes := []int{4, 4, 4, 4}
	if len(number) == 15 {
		sizes = []int{4, 6, 5}
	}
	var groups []string
	for at, i := 0, 0; at < len(number); i++ {
		groups = append(groups, number[at:at+sizes[i]])
		at += sizes[i]
	}
	return []string{number, strings.Join(groups, " "), strings.Join(groups, "-")}
}

// someNumbers are of Visa, Mastercard and American Express.
var someNumbers = []string{"4539148803436467", "5425233430109903", "378282246310005"}

// otherWords are of what is numbered, too.
var otherWords = []string{
	"order", "invoice", "ticket", "tracking", "shipment", "parcel", "item", "product", "serial", "version", "build", "commit",
	"case", "reference", "booking", "transaction", "timestamp", "hash", "uuid", "batch", "article", "Artikel", "Bestellung",
	"Rechnung", "Charge", "Sendung", "Paket", "commande", "facture", "pedido", "ordine", "заказ", "订单", "amount", "total",
}

// TestCardsBesideOtherWords: a word of something else in the sentence hides no card.
func TestCardsBesideOtherWords(t *testing.T) {
	t.Parallel()
	s := newScanner(t, sensitive.Config{})
	for _, word := range otherWords {
		for _, number := range someNumbers {
			for i, card := range spellings(number) {
				forms := []string{"the %s says %s now", "%s paid with %s", "refund %s 5512 to %s", "%s-%s", "%s_%s", "%s 12 and then %s", "%s: charge %s"}
				if i > 0 { // never hidden where it is grouped
					forms = append(forms, "%s %s", "%s no. %s")
				}
				for _, form := range forms {
					text := fmt.Sprintf(form, word, card)
					if got := s.Prompt(userSays(text)).Detected["card"]; got != 1 {
						t.Errorf("%q: %d cards", text, got)
					}
				}
			}
		}
	}
}

// TestNumbersOfOtherThings: what is called something else directly is none, where nobody pays.
func TestNumbersOfOtherThings(t *testing.T) {
	t.Parallel()
	s := newScanner(t, sensitive.Config{})
	for _, word := range otherWords {
		if word == "Charge" { // in English it is paying
			continue
		}
		for _, form := range []string{"%s %s", "%s no. %s", "%s number: %s", "%s_id=%s", "the %s is %s, thanks"} {
			text := fmt.Sprintf(form, word, someNumbers[0])
			if got := s.Prompt(userSays(text)).Detected; len(got) > 0 {
				t.Errorf("%q: %v", text, got)
			}
		}
	}
}

func TestGluedCards(t *testing.T) {
	t.Parallel()
	s := newScanner(t, sensitive.Config{})
	for _, number := range someNumbers {
		for _, card := range spellings(number) {
			for _, form := range []string{
				"cc%s", "x%s", "%sx", "$%s", "+%s", "€%s", "#%s", "%s,", "(%s)", "%s.", "order-%s", "order_%s", "%s/12/27", "%s|123",
				"12:%s", "PAN=%s", "%s.0", "号%s号", "<b>%s</b>", "%s_old",
			} {
				text := fmt.Sprintf(form, card)
				if got := s.Prompt(userSays(text)).Detected; got["card"] != 1 || len(got) != 1 {
					t.Errorf("%q: %v", text, got)
				}
			}
		}
	}
}

// TestBrokenCards: anywhere a line may end.
func TestBrokenCards(t *testing.T) {
	t.Parallel()
	s := newScanner(t, sensitive.Config{})
	for _, number := range someNumbers {
		for _, card := range spellings(number) {
			for at := 4; at < len(card)-4; at++ {
				for _, line := range []string{"\n", "\r\n", " \n"} {
					text := "my card is " + card[:at] + line + strings.TrimLeft(card[at:], " ") + " thanks"
					if strings.ContainsAny(card, " -") && !strings.ContainsAny(card[at-1:at+1], " -") { // within a group
						continue
					}
					if got := s.Prompt(userSays(text)).Detected["card"]; got != 1 {
						t.Errorf("%q: %d cards", text, got)
					}
				}
			}
		}
	}
}

func TestHashesAreNoCards(t *testing.T) {
	t.Parallel()
	s := newScanner(t, sensitive.Config{})
	for _, text := range []string{
		"4539148803436467abcdefabcdefabcdefabcdef", "abcdef4539148803436467fedcba", "0x4539148803436467", "0.4539148803436467",
		"a1b2c3d4-4539148803436467", "call_4539148803436467", "4539148803436468", "45391488034364670", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b",
		"2020 2021 2022 4539 1488 0343 6467 2023", "1234-4539-1488-0343-6467",
	} {
		if got := s.Prompt(userSays(text)).Detected; len(got) > 0 {
			t.Errorf("%q: %v", text, got)
		}
	}
}
