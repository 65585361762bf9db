// What the table shows, as a file for spreadsheets.
const COLUMNS = [
  'id',
  'name',
  'category_id',
  'status',
  'score',
  'change',
  'tier_level',
  'previous_tier_level',
  'gap',
  'margin',
  'signed_orders',
];

/** A cell. A spreadsheet would take text that begins like a formula for one. */
function cell(value) {
  if (value === null || value === undefined) return '';
  if (typeof value === 'number') return String(value);
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export function csv(items) {
  const lines = items.map((card) =>
    COLUMNS.map((name) => cell(name === 'id' ? (card.shop_id ?? card.creator_id) : card[name])).join(','),
  );
  // The mark tells spreadsheets that this is UTF-8.
  return `\ufeff${[COLUMNS.join(','), ...lines].join('\r\n')}\r\n`;
}

export function saveCsv(items, { kind, date, revision }) {
  const address = URL.createObjectURL(new Blob([csv(items)], { type: 'text/csv' }));
  const link = Object.assign(document.createElement('a'), {
    href: address,
    download: `shopscore-${kind}s-${date}-r${revision}.csv`,
  });
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 1_000);
}
