// What is asked of a picture: findings with their prompts, as the server has them or as edited here, and own sentences.

const linesOf = (text) =>
  text
    .split("\n")
    .map((line) => line.trim())
    .filter(Boolean);
const same = (one, other) => one.length === other.length && one.every((text, place) => text === other[place]);

export class Questions extends EventTarget {
  items = [];

  fill(findings) {
    this.items = findings.map(({ finding, positive, negative }) => ({
      finding,
      positive,
      negative,
      stored: { positive, negative },
      asked: true,
    }));
    this.#tell();
  }

  get asked() {
    return this.items.filter((item) => item.asked);
  }

  named(finding) {
    return this.items.find((item) => item.finding === finding) ?? null;
  }

  // Adds a sentence, which has no other side; returns what is wrong with it, or null.
  add(sentence, { text_characters: longest, texts }) {
    if (!sentence) return "Write a sentence first.";
    if (sentence.length > longest) return `A sentence has at most ${longest} characters.`;
    if (this.named(sentence)) return "That is asked already.";
    if (this.asked.length >= texts) return `At most ${texts} are asked at once: leave out others first.`;
    this.items.unshift({ finding: sentence, positive: [sentence], negative: [], stored: null, asked: true });
    this.#tell();
    return null;
  }

  remove(item) {
    this.items = this.items.filter((one) => one !== item);
    this.#tell();
  }

  ask(item, asked) {
    item.asked = asked;
    this.#tell();
  }

  askAll(asked) {
    this.items.forEach((item) => Object.assign(item, { asked }));
    this.#tell();
  }

  edit(item, { positive, negative }) {
    const lines = { positive: linesOf(positive), negative: linesOf(negative) };
    if (same(lines.positive, item.positive) && same(lines.negative, item.negative)) return;
    Object.assign(item, lines);
    this.#tell();
  }

  reset(item) {
    Object.assign(item, item.stored);
    this.#tell();
  }

  edited(item) {
    return (
      item.stored !== null && !(same(item.positive, item.stored.positive) && same(item.negative, item.stored.negative))
    );
  }

  // The first item without a prompt that speaks for it, which the server would refuse.
  get unfinished() {
    return this.asked.find((item) => !item.positive.length) ?? null;
  }

  // The field `findings` of a request; null means all, as the server has them.
  get field() {
    if (this.items.every((item) => item.asked && item.stored && !this.edited(item))) return null;
    return JSON.stringify(
      this.asked.map((item) => {
        if (item.stored && !this.edited(item)) return item.finding;
        return { finding: item.finding, positive: item.positive, negative: item.negative };
      }),
    );
  }

  #tell() {
    this.dispatchEvent(new Event("change"));
  }
}
