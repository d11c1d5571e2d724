// Draws the plots and fills the table of all trials. Everything that comes from a record is set as
// text, never as markup.

const read = (id) => JSON.parse(document.getElementById(id).textContent);

const pause = () => new Promise((resume) => setTimeout(resume));

const drawPlots = async () => {
  const specs = read("plots-data");
  for (const place of document.querySelectorAll(".plot")) {
    // `ast`: expressions are interpreted, for the page's policy lets no text become a function.
    try {
      await vegaEmbed(place, specs[place.dataset.plot], { actions: false, renderer: "svg", ast: true });
    } catch (error) {
      place.textContent = `This plot could not be drawn: ${error.message}`;
      console.error(error);
    }
    await pause();
  }
};

const collate = new Intl.Collator("en", { numeric: true }).compare;
const MOST_COLLATED = 5000; // of more words, collating takes seconds
const missing = (value) => value === null || value === "";
const sorted = (words) =>
  words.length > MOST_COLLATED ? words.sort() : words.sort((a, b) => collate(String(a), String(b)));

// One column of the table. A hundred thousand rows sort in time because each value is compared as a
// number: itself, or the place of its word among all words.
class Column {
  constructor(raw, rows) {
    Object.assign(this, raw);
    this.rows = rows;
  }

  of(row) {
    return this.codes ? this.words[this.codes[row]] : this.values[row];
  }

  get distinct() {
    return this.codes ? this.words : [...new Set(this.values)];
  }

  get ranks() {
    this.ranked ??= this.rank();
    return this.ranked;
  }

  rank() {
    if (this.kind === "number" && this.values) return Float64Array.from(this.values, (value) => value ?? NaN);
    const words = this.kind === "number" ? this.distinct : sorted([...this.distinct]);
    const places = new Map(words.map((word, place) => [word, this.kind === "number" ? word : place]));
    for (const value of [null, ""]) places.set(value, NaN);
    return Float64Array.from({ length: this.rows }, (_, row) => places.get(this.of(row)));
  }

  // Which rows have a text in this column.
  mark(found, text) {
    if (this.kind === "link") return;
    const has = (value) => !missing(value) && String(value).toLowerCase().includes(text);
    const words = this.codes?.length ? this.words.map(has) : null;
    for (let row = 0; row < this.rows; row++) {
      if (!found[row]) found[row] = words ? words[this.codes[row]] : has(this.values[row]);
    }
  }
}

// The rows that the choices and the searched words leave, in the order asked for; what is missing
// stands last in either direction.
const chosen = (columns, rows, choices, words, order) => {
  const marks = words.map((word) => {
    const found = new Uint8Array(rows);
    for (const col of columns) col.mark(found, word);
    return found;
  });
  const kept = [];
  for (let row = 0; row < rows; row++) {
    let keep = marks.every((found) => found[row]);
    for (const [number, word] of choices) keep = keep && columns[number].of(row) === word;
    if (keep) kept.push(row);
  }
  const keys = order.map(({ column, dir }) => [columns[column].ranks, dir === "desc" ? -1 : 1]);
  return Uint32Array.from(kept).sort((a, b) => {
    for (const [ranks, sign] of keys) {
      const [x, y] = [ranks[a], ranks[b]];
      if (x === y) continue;
      if (Number.isNaN(x) || Number.isNaN(y)) {
        if (Number.isNaN(x) && Number.isNaN(y)) continue;
        return Number.isNaN(x) ? 1 : -1;
      }
      return sign * (x < y ? -1 : 1);
    }
    return a - b;
  });
};

const link = (base, path, text) => {
  const anchor = document.createElement("a");
  anchor.href = base + path.split("/").map(encodeURIComponent).join("/");
  anchor.textContent = text;
  return anchor;
};

const shown = (col, row, trial, base) => {
  const value = col.of(row);
  if (missing(value)) return "";
  if (col.kind === "link") return link(base, value.replace("{trial}", () => trial.of(row)), col.name);
  return document.createTextNode(value);
};

const choice = (col, choose) => {
  const label = document.createElement("label");
  const select = document.createElement("select");
  const words = sorted([...col.distinct]);
  const name = (word) => (missing(word) ? "(none)" : word);
  select.append(new Option("all", ""), ...words.map((word, place) => new Option(name(word), String(place))));
  label.append(document.createTextNode(col.name), select);
  select.addEventListener("change", () => choose(select.value === "" ? undefined : words[Number(select.value)]));
  return label;
};

// Fills the table and returns its columns.
const fillTable = () => {
  const place = document.getElementById("all-trials");
  if (!place) return [];
  const { base, rows, columns: raw } = read("trials-data");
  const columns = raw.map((each) => new Column(each, rows));
  const trial = columns.find((col) => col.kind === "trial");
  const head = place.createTHead().insertRow();
  for (const col of columns) {
    const heading = document.createElement("th");
    heading.scope = "col";
    heading.textContent = col.name;
    head.append(heading);
  }
  const choices = new Map();
  // `serverSide`: the library asks for the rows of one page, and the server is here.
  const answer = (asked, give) => {
    const words = asked.search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = chosen(columns, rows, choices, words, asked.order);
    const end = asked.length < 0 ? found.length : asked.start + asked.length;
    give({
      draw: asked.draw,
      recordsTotal: rows,
      recordsFiltered: found.length,
      data: Array.from(found.subarray(asked.start, end), (row) => [row]),
    });
  };
  jQuery(place).dataTable({
    serverSide: true,
    ajax: answer,
    searchDelay: 150,
    columns: columns.map((col) => ({
      data: ([row], kind) => (kind === "display" ? shown(col, row, trial, base) : ""),
      className: col.kind === "number" ? "number" : "",
    })),
    autoWidth: false,
    order: [],
    pageLength: 25,
    language: { search: "Search", lengthMenu: "_MENU_ rows", emptyTable: "No trial", zeroRecords: "No such trial" },
  });
  const table = new jQuery.fn.dataTable.Api(place);
  const filters = document.getElementById("filters");
  columns.forEach((col, number) => {
    if (!col.choose) return;
    const choose = (word) => {
      if (word === undefined) choices.delete(number);
      else choices.set(number, word);
      table.draw();
    };
    filters.append(choice(col, choose));
  });
  return columns;
};

const columns = fillTable();
await drawPlots();
document.documentElement.dataset.plots = "ready";
for (const col of columns) {
  await pause(); // what the first sort by a column needs is there before it is asked for
  void col.ranks;
}
