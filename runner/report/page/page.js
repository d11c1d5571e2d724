// Draws the plots and fills the table of all trials. Everything that comes from a record is set as
// text, never as markup.

const read = (id) => JSON.parse(document.getElementById(id).textContent);

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
    await new Promise((resume) => setTimeout(resume));
  }
};

const compare = new Intl.Collator("en", { numeric: true }).compare;

// One column of the table: values by row number, and for text a number that sorts as the text does.
const column = (raw) => {
  const of = raw.codes ? (row) => raw.words[raw.codes[row]] : (row) => raw.values[row];
  let ranks;
  const rank = (row) => {
    if (!ranks) {
      const words = raw.words ?? [...new Set(raw.values)];
      const sorted = [...words].sort((a, b) => compare(a ?? "", b ?? ""));
      const place = new Map(sorted.map((word, number) => [word, number]));
      ranks = raw.codes ? words.map((word) => place.get(word)) : place;
    }
    return raw.codes ? ranks[raw.codes[row]] : ranks.get(raw.values[row]);
  };
  return { ...raw, of, rank };
};

const link = (base, path, text) => {
  const anchor = document.createElement("a");
  anchor.href = base + path.split("/").map(encodeURIComponent).join("/");
  anchor.textContent = text;
  return anchor;
};

const cell = (trial, base, col) => (row, kind) => {
  const value = col.of(row);
  if (kind === "sort" || kind === "type") {
    return col.kind === "number" ? (value ?? -Infinity) : col.rank(row);
  }
  if (kind === "filter") return value === null ? "" : String(value);
  if (value === null || value === "") return "";
  const id = trial.of(row);
  return col.kind === "link" ? link(base, value.replace("{trial}", id), col.name) : document.createTextNode(value);
};

const choice = (table, col, number, narrow) => {
  const label = document.createElement("label");
  const select = document.createElement("select");
  const words = [...new Set(col.words ?? col.values)].sort((a, b) => compare(a ?? "", b ?? ""));
  const all = new Option("all", "");
  select.append(all, ...words.map((word, place) => new Option(word === null || word === "" ? "(none)" : word, String(place))));
  label.append(document.createTextNode(col.name), select);
  select.addEventListener("change", () => {
    const wanted = select.value === "" ? undefined : words[Number(select.value)];
    narrow(number, wanted);
    table.draw();
  });
  return label;
};

const fillTable = () => {
  const place = document.getElementById("all-trials");
  if (!place) return;
  const { base, rows, columns: raw } = read("trials-data");
  const columns = raw.map(column);
  const trial = columns.find((col) => col.kind === "trial");
  const head = place.createTHead().insertRow();
  for (const col of columns) {
    const heading = document.createElement("th");
    heading.scope = "col";
    heading.textContent = col.name;
    head.append(heading);
  }
  const table = new jQuery.fn.dataTable.Api(
    jQuery(place).dataTable({
      data: Array.from({ length: rows }, (_, row) => [row]),
      columns: columns.map((col) => {
        const show = cell(trial, base, col);
        return {
          data: (row, kind) => show(row[0], kind),
          type: "num",
          className: col.kind === "number" ? "number" : "",
        };
      }),
      autoWidth: false,
      deferRender: true,
      order: [],
      pageLength: 25,
      language: { search: "Search", lengthMenu: "_MENU_ rows", emptyTable: "No trial" },
    }),
  );
  const wanted = new Map();
  table.search.fixed("choices", (_, row) => [...wanted].every(([number, word]) => columns[number].of(row[0]) === word));
  const narrow = (number, word) => (word === undefined ? wanted.delete(number) : wanted.set(number, word));
  const filters = document.getElementById("filters");
  columns.forEach((col, number) => {
    if (col.choose) filters.append(choice(table, col, number, narrow));
  });
};

fillTable();
document.documentElement.dataset.table = "ready";
await drawPlots();
document.documentElement.dataset.plots = "ready";
