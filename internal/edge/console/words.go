package console

import (
	"net/http"
	"strings"

	"golang.org/x/text/language"

	"gakushoku/internal/canteen/day"
	"gakushoku/internal/event"
)

// words are the texts of one language.
type words struct {
	Lang  string // ja or en
	index int
}

const langCookie = "gakushoku-lang"

var matcher = language.NewMatcher([]language.Tag{language.Japanese, language.English})

// wordsFor chooses the language: what the caller has chosen by ?lang=, now or before, else what the browser asks
// for.
func wordsFor(w http.ResponseWriter, r *http.Request) words {
	if chosen := r.URL.Query().Get("lang"); chosen == "ja" || chosen == "en" {
		http.SetCookie(w, &http.Cookie{Name: langCookie, Value: chosen, Path: "/", MaxAge: 365 * 24 * 60 * 60, SameSite: http.SameSiteLaxMode})
		return wordsIn(chosen)
	}
	if c, err := r.Cookie(langCookie); err == nil && (c.Value == "ja" || c.Value == "en") {
		return wordsIn(c.Value)
	}
	tag, _ := language.MatchStrings(matcher, r.Header.Get("Accept-Language"))
	base, _ := tag.Base()
	return wordsIn(base.String())
}

func wordsIn(lang string) words {
	if lang == "en" {
		return words{"en", 1}
	}
	return words{"ja", 0}
}

// Other is the language that the switch leads to.
func (w words) Other() string {
	if w.Lang == "en" {
		return "ja"
	}
	return "en"
}

// Of returns a text, or the key where there is none.
func (w words) Of(key string) string {
	if pair, ok := texts[key]; ok {
		return pair[w.index]
	}
	return key
}

// Name chooses between a Japanese name and an English one, which may be missing.
func (w words) Name(ja, en string) string {
	if w.Lang == "en" && en != "" {
		return en
	}
	return ja
}

// Clock returns the time of day in the canteen, such as 12:05.
func (w words) Clock(instant string) string {
	at, err := event.ParseInstant(instant)
	if err != nil {
		return instant
	}
	return at.Time().In(day.Zone()).Format("15:04")
}

// problem says what went wrong in words that help. Where a code has none, the detail of the interface is shown.
func (w words) problem(code, detail string) string {
	if pair, ok := texts["problem "+code]; ok {
		return pair[w.index]
	}
	if family, _, _ := strings.Cut(code, "/"); family == "identity" || family == "request" && strings.Contains(code, "api-key") {
		return w.Of("problem identity")
	}
	if detail != "" {
		return detail
	}
	return w.Of("problem")
}

// texts are in Japanese and English.
var texts = map[string][2]string{
	"title":          {"学食", "Canteen"},
	"menu":           {"メニュー", "Menu"},
	"today":          {"本日", "Today"},
	"kitchen":        {"厨房", "Kitchen"},
	"order":          {"注文", "Order"},
	"order-now":      {"注文する", "Order"},
	"my-orders":      {"自分の注文", "My orders"},
	"quantity":       {"個数", "Quantity"},
	"left":           {"残り", "left"},
	"sold-out":       {"売り切れ", "Sold out"},
	"allergens":      {"アレルゲン", "Allergens"},
	"empty-menu":     {"本日のメニューはまだありません。", "There is no menu yet."},
	"nothing-chosen": {"商品を選んでください。", "Choose at least one dish."},
	"total":          {"合計", "Total"},
	"pay-card":       {"カードで支払う", "Pay by card"},
	"pay-till":       {"レジでこの番号を伝えてお支払いください。", "Pay at the till: say this number."},
	"pay-by":         {"支払い期限", "Pay by"},
	"cancel":         {"取り消す", "Cancel the order"},
	"back-to-menu":   {"メニューへ戻る", "Back to the menu"},
	"language":       {"English", "日本語"},
	"ready-call":     {"できあがりました！", "READY"},
	"at-counter":     {"カウンターでお受け取りください。", "Pick it up at the counter."},
	"ordered-at":     {"注文", "Ordered"},
	"sign-in":        {"サインイン", "Sign in"},
	"sign-out":       {"サインアウト", "Sign out"},
	"device-key":     {"端末キー", "Device key"},
	"key-help":       {"「gakushoku keys create」で作成した端末キーを入力してください。", "Enter the device key that \"gakushoku keys create\" has printed."},
	"to-make":        {"作る料理", "To make"},
	"nothing":        {"なし", "None"},
	"minutes":        {"分", "min"},
	"more":           {"表示しきれない注文があります。", "There are more orders than are shown."},
	"offline":        {"接続が切れています。再接続中…", "Offline: connecting again…"},

	"do pay":     {"現金で受領", "Take cash"},
	"do prepare": {"調理開始", "Start"},
	"do ready":   {"できあがり", "Ready"},
	"do pickup":  {"受け渡し済み", "Picked up"},

	"status ORDERED":   {"支払い待ち", "Waiting to be paid"},
	"status PAID":      {"受付済み", "Paid"},
	"status PREPARING": {"調理中", "Being made"},
	"status READY":     {"できあがり", "Ready"},
	"status PICKED_UP": {"受け取り済み", "Picked up"},
	"status CANCELLED": {"取り消し", "Cancelled"},
	"status REJECTED":  {"お受けできませんでした", "Turned down"},
	"paying":           {"支払いを確認しています…", "The payment is under way…"},

	"problem":                              {"うまくいきませんでした。もう一度お試しください。", "That did not work. Please try again."},
	"problem cross-site":                   {"ほかのサイトからの操作は受け付けません。", "Another site may not do that."},
	"problem form":                         {"送信内容を読み取れませんでした。", "What was sent could not be read."},
	"problem identity":                     {"この操作にはサインインが必要です。", "You need to sign in for that."},
	"problem stock/sold-out":               {"売り切れました。ほかの商品をお選びください。", "That has just sold out. Please choose something else."},
	"problem order/price-changed":          {"価格が変わりました。新しい価格をご確認ください。", "A price has changed. Please look at the new one."},
	"problem menu/not-offered":             {"この商品は現在ご注文いただけません。", "That is not offered at the moment."},
	"problem menu/unknown-product":         {"この商品はメニューにありません。", "That is not on the menu any more."},
	"problem order/not-found":              {"この注文は見つかりません。", "There is no such order."},
	"problem order/already-paid":           {"支払い済みです。", "The order is paid already."},
	"problem order/already-preparing":      {"すでに調理中です。", "It is being made already."},
	"problem order/already-ready":          {"すでにできあがっています。", "It is ready already."},
	"problem order/already-picked-up":      {"すでに受け渡し済みです。", "It was picked up already."},
	"problem order/already-cancelled":      {"すでに取り消されています。", "It was cancelled already."},
	"problem order/not-paid":               {"まだ支払われていません。", "It is not paid yet."},
	"problem order/expired":                {"支払い期限が過ぎました。もう一度ご注文ください。", "It was not paid in time. Please order again."},
	"problem order/too-late-to-cancel":     {"調理が始まっているため取り消せません。", "The kitchen has begun: it cannot be cancelled any more."},
	"problem payment/declined":             {"カードが利用できませんでした。別のカードか現金でお支払いください。", "The card was declined. Pay with another card, or in cash."},
	"problem service/throttled":            {"しばらく待ってからもう一度お試しください。", "Too many requests: please wait a moment."},
	"problem service/unavailable":          {"現在混み合っています。もう一度お試しください。", "The service is busy. Please try again."},
	"problem identity/missing-scope":       {"この操作は許可されていません。", "You are not allowed to do that."},
	"problem identity/invalid-credentials": {"端末キーが正しくないか、期限が切れています。", "The device key is wrong or has ended."},
	"problem request/wrong-api-key":        {"端末キーが正しくないか、期限が切れています。", "The device key is wrong or has ended."},
}
