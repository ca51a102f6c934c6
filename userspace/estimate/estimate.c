// SPDX-License-Identifier: Apache-2.0
/*
 * The two pre-tokenizers are regular expressions with backtracking. Here they are one machine that
 * sees each character once; what the expressions would go back to is a mark in the piece:
 *
 *   UPPER   letters that may begin a word: a word ends in a letter that may be lower case, so when
 *           none follows, the piece ends behind the last caseless letter (the mark) if there is one
 *   SPACES  a run is cut behind its last line break (the mark); of what remains, the last character
 *           belongs to what follows
 *   QUOTE   an apostrophe (the mark) that may begin a contraction
 *
 * For cl100k all letters are LOWER and marks are symbols; what is left of the difference is asked
 * for by name.
 */
#include "userspace/estimate/estimate.h"

#include "userspace/base/digest.h"

struct character {
	uint32_t code;
	enum lt_char_class class;
	uint8_t n;
	uint8_t bytes[4];
};

enum state { START, UPPER, WORD, QUOTE, QUOTE_LETTER, NUMBER, SYMBOL, SYMBOLS, TAIL, SPACES };

/* ---- the piece --------------------------------------------------------------------------------
 */

static inline void append(struct lt_token_counter *c, const struct character *ch)
{
	memcpy(c->piece + c->n, ch->bytes, sizeof(ch->bytes));
	c->n += ch->n;
}

/* Counts the first @n bytes as a piece of their own; the others stay. */
static inline void count_front(struct lt_token_counter *c, uint16_t n)
{
	if (n == 0)
		return;
	c->tokens += lt_bpe_count(c->bpe, c->piece, n);
	c->n -= n;
	if (c->n > 0)
		memmove(c->piece, c->piece + n, c->n);
	c->mark = c->mark > n ? c->mark - n : 0;
	c->last = c->last > n ? c->last - n : 0;
}

static inline void count_all(struct lt_token_counter *c)
{
	count_front(c, c->n);
}

/* As append, for what has no end of its own. */
static inline void put(struct lt_token_counter *c, const struct character *ch)
{
	if (c->n + ch->n > LT_TOKEN_RUN_MAX) {
		c->cuts++;
		count_front(c, c->state == SPACES ? c->last : c->n);
	}
	append(c, ch);
}

/* The piece is over; the character at hand begins the next one. */
static bool over(struct lt_token_counter *c)
{
	count_all(c);
	c->state = START;
	return false;
}

static bool over_with(struct lt_token_counter *c, const struct character *ch)
{
	append(c, ch);
	count_all(c);
	c->state = START;
	return true;
}

/* ---- the states: true when the character was taken ------------------------------------------- */

static inline bool is_letter(enum lt_char_class class)
{
	return class >= LT_CHAR_UPPER && class <= LT_CHAR_MARK;
}

/* A letter at the beginning of a word, with or without something before it. */
static bool begin_word(struct lt_token_counter *c, const struct character *ch)
{
	put(c, ch);
	c->mark = ch->class == LT_CHAR_UPPER ? 0 : c->n;
	c->state = ch->class == LT_CHAR_LOWER ? WORD : UPPER;
	return true;
}

static bool at_spaces(struct lt_token_counter *c, const struct character *ch);

static bool at_start(struct lt_token_counter *c, const struct character *ch)
{
	if (is_letter(ch->class))
		return begin_word(c, ch);
	c->mark = 0;
	switch (ch->class) {
	case LT_CHAR_SPACE:
	case LT_CHAR_BREAK:
		c->state = SPACES;
		return at_spaces(c, ch);
	case LT_CHAR_NUMBER:
		append(c, ch);
		c->digits = 1;
		c->state = NUMBER;
		return true;
	default:
		append(c, ch);
		c->state = ch->code == '\'' && !c->o200k ? QUOTE : SYMBOL;
		return true;
	}
}

static void end_upper(struct lt_token_counter *c)
{
	if (c->mark < c->n)
		count_front(c, c->mark);
}

static bool at_word_end(struct lt_token_counter *c, const struct character *ch)
{
	if (ch->code != '\'' || !c->o200k)
		return over(c);
	c->mark = c->n;
	append(c, ch);
	c->state = QUOTE;
	return true;
}

static bool at_upper(struct lt_token_counter *c, const struct character *ch)
{
	if (is_letter(ch->class)) {
		put(c, ch);
		if (ch->class == LT_CHAR_LOWER)
			c->state = WORD;
		else if (ch->class != LT_CHAR_UPPER)
			c->mark = c->n;
		return true;
	}
	end_upper(c);
	return at_word_end(c, ch);
}

static bool at_word(struct lt_token_counter *c, const struct character *ch)
{
	if (!is_letter(ch->class))
		return at_word_end(c, ch);
	if (ch->class == LT_CHAR_UPPER)
		return over(c);
	put(c, ch);
	return true;
}

/* Lower case of the letters that contractions have; the long s is one of them. */
static uint32_t fold(uint32_t code)
{
	if (code == 0x17f)
		return 's';
	return code >= 'A' && code <= 'Z' ? code + ('a' - 'A') : code;
}

static bool at_quote(struct lt_token_counter *c, const struct character *ch)
{
	switch (fold(ch->code)) {
	case 's':
	case 't':
	case 'm':
	case 'd':
		return over_with(c, ch);
	case 'l':
		c->second = 'l';
		break;
	case 'v':
	case 'r':
		c->second = 'e';
		break;
	default:
		count_front(c, c->mark);
		c->state = SYMBOL;
		return false;
	}
	append(c, ch);
	c->state = QUOTE_LETTER;
	return true;
}

static bool at_quote_letter(struct lt_token_counter *c, const struct character *ch)
{
	if (fold(ch->code) == c->second)
		return over_with(c, ch);
	/* No contraction: the apostrophe and the letter begin a word. */
	count_front(c, c->mark);
	c->mark = 0;
	c->state = c->o200k && lt_char_ascii[c->piece[1]] == LT_CHAR_UPPER ? UPPER : WORD;
	return false;
}

static bool at_number(struct lt_token_counter *c, const struct character *ch)
{
	if (ch->class != LT_CHAR_NUMBER || c->digits == 3)
		return over(c);
	append(c, ch);
	c->digits++;
	return true;
}

static bool at_symbols(struct lt_token_counter *c, const struct character *ch)
{
	if (ch->class != LT_CHAR_SYMBOL && ch->class != LT_CHAR_MARK && ch->class != LT_CHAR_BREAK)
		return over(c);
	put(c, ch);
	c->state = ch->class == LT_CHAR_BREAK ? TAIL : SYMBOLS;
	return true;
}

static bool at_symbol(struct lt_token_counter *c, const struct character *ch)
{
	return is_letter(ch->class) ? begin_word(c, ch) : at_symbols(c, ch);
}

static bool at_tail(struct lt_token_counter *c, const struct character *ch)
{
	if (ch->class != LT_CHAR_BREAK && (ch->code != '/' || !c->o200k))
		return over(c);
	put(c, ch);
	return true;
}

static bool at_spaces(struct lt_token_counter *c, const struct character *ch)
{
	if (ch->class == LT_CHAR_SPACE || ch->class == LT_CHAR_BREAK) {
		put(c, ch);
		c->last = c->n - ch->n;
		if (ch->class == LT_CHAR_BREAK)
			c->mark = c->n;
		return true;
	}
	count_front(c, c->mark);
	count_front(c, c->last);
	if (c->n > 0 && is_letter(ch->class))
		return begin_word(c, ch);
	if (c->n > 0 && c->piece[0] == ' ' && ch->class == LT_CHAR_SYMBOL) {
		put(c, ch);
		c->state = SYMBOLS;
		return true;
	}
	return over(c);
}

static bool (*const states[])(struct lt_token_counter *c, const struct character *ch) = {
	[START] = at_start,
	[UPPER] = at_upper,
	[WORD] = at_word,
	[QUOTE] = at_quote,
	[QUOTE_LETTER] = at_quote_letter,
	[NUMBER] = at_number,
	[SYMBOL] = at_symbol,
	[SYMBOLS] = at_symbols,
	[TAIL] = at_tail,
	[SPACES] = at_spaces,
};

static void take(struct lt_token_counter *c, struct character *ch)
{
	if (!c->o200k) {
		if (ch->class == LT_CHAR_UPPER || ch->class == LT_CHAR_LETTER)
			ch->class = LT_CHAR_LOWER;
		else if (ch->class == LT_CHAR_MARK)
			ch->class = LT_CHAR_SYMBOL;
	}
	/* At most three steps: a piece ends, what is left of it ends, the next one begins. */
	while (!states[c->state](c, ch))
		;
}

/* ---- UTF-8 ------------------------------------------------------------------------------------
 */

static void take_ascii(struct lt_token_counter *c, uint8_t byte)
{
	struct character ch = {.code = byte, .class = lt_char_ascii[byte], .n = 1, .bytes = {byte}};

	take(c, &ch);
}

static void take_replacement(struct lt_token_counter *c)
{
	struct character ch = {
		.code = 0xfffd, .class = LT_CHAR_SYMBOL, .n = 3, .bytes = {0xef, 0xbf, 0xbd}};

	c->utf8_n = 0;
	take(c, &ch);
}

static void begin_utf8(struct lt_token_counter *c, uint8_t byte)
{
	if (byte < 0xc2 || byte > 0xf4) {
		take_replacement(c);
		return;
	}
	c->utf8[0] = byte;
	c->utf8_n = 1;
	c->utf8_need = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
	c->utf8_low = byte == 0xe0 ? 0xa0 : byte == 0xf0 ? 0x90 : 0x80;
	c->utf8_high = byte == 0xed ? 0x9f : byte == 0xf4 ? 0x8f : 0xbf;
}

static void take_utf8(struct lt_token_counter *c)
{
	struct character ch = {.n = c->utf8_n};

	ch.code = c->utf8[0] & (0x7f >> c->utf8_n);
	for (unsigned i = 1; i < c->utf8_n; i++)
		ch.code = ch.code << 6 | (c->utf8[i] & 0x3f);
	memcpy(ch.bytes, c->utf8, sizeof(ch.bytes));
	ch.class = lt_char_class_of(&c->memo, ch.code);
	c->utf8_n = 0;
	take(c, &ch);
}

static void feed_byte(struct lt_token_counter *c, uint8_t byte)
{
	if (c->utf8_n > 0) {
		if (byte >= c->utf8_low && byte <= c->utf8_high) {
			c->utf8[c->utf8_n++] = byte;
			c->utf8_low = 0x80;
			c->utf8_high = 0xbf;
			if (--c->utf8_need == 0)
				take_utf8(c);
			return;
		}
		take_replacement(c);
	}
	if (byte < 0x80)
		take_ascii(c, byte);
	else
		begin_utf8(c, byte);
}

void lt_token_counter_feed(struct lt_token_counter *counter, struct lt_bytes text)
{
	for (size_t i = 0; i < text.n; i++)
		feed_byte(counter, text.p[i]);
}

/* ---- beginning and end ------------------------------------------------------------------------
 */

void lt_token_counter_init(struct lt_token_counter *counter, const struct lt_bpe *bpe)
{
	*counter = (struct lt_token_counter){.bpe = bpe,
					     .o200k = lt_bpe_splitter(bpe) == LT_BPE_O200K};
}

void lt_token_counter_reset(struct lt_token_counter *counter)
{
	const struct lt_bpe *bpe = counter->bpe;

	lt_wipe(counter, sizeof(*counter));
	lt_token_counter_init(counter, bpe);
}

uint64_t lt_token_counter_finish(struct lt_token_counter *counter)
{
	uint64_t tokens;

	if (counter->utf8_n > 0)
		take_replacement(counter);
	switch (counter->state) {
	case UPPER:
		end_upper(counter);
		break;
	case QUOTE:
	case QUOTE_LETTER:
		count_front(counter, counter->mark);
		break;
	case SPACES:
		if (counter->o200k)
			count_front(counter, counter->mark);
		break;
	default:
		break;
	}
	count_all(counter);
	tokens = counter->tokens;
	lt_token_counter_reset(counter);
	return tokens;
}
