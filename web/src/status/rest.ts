/** What a newer Weir tells of itself beyond what this page names: shown under its own names, with
 * the unit that the name ends in. Pure. */
import { bytes, digits, duration, share } from '../words/format';
import { plain } from '../words/names';

export interface Group {
  name: string;
  rows: { name: string; value: string }[];
}

const NAMED = new Set([
  'schema', 'at', 'version', 'uptime_s', 'io', 'workers', 'regulator_mode', 'open_incidents', 'store', 'store_ok', 'journal', 'watch',
  'listen', 'draining', 'data_plane_silent', 'server_version', 'clients', 'servers', 'buffered_bytes', 'loop_lag_max_s',
  'events_lost_total', 'updates_overdue', 'update_overdue_s', 'started_at', 'sensors', 'listeners', 'events_kept', 'process',
]);

function said(key: string, value: unknown): string {
  if (value === null || value === undefined || value === '') return '–';
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (typeof value === 'number') {
    if (key.endsWith('_s')) return duration(value);
    if (key.endsWith('_bytes')) return bytes(value);
    if (key.endsWith('_share') || key.endsWith('_ratio')) return share(value);
    return digits(value);
  }
  if (Array.isArray(value)) {
    return value.length === 0 ? 'none' : value.map((one) => (typeof one === 'object' ? JSON.stringify(one) : String(one))).join(', ');
  }
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

const title = (key: string) => {
  const text = plain(key.replace(/_(s|bytes|total)$/, ''));
  return text.charAt(0).toUpperCase() + text.slice(1);
};

export function rest(status: object): Group[] {
  const groups: Group[] = [];
  const others: Group = { name: 'More', rows: [] };
  for (const [key, value] of Object.entries(status)) {
    if (NAMED.has(key)) continue;
    if (value !== null && typeof value === 'object' && !Array.isArray(value)) {
      groups.push({ name: title(key), rows: Object.entries(value).map(([name, one]) => ({ name: title(name), value: said(name, one) })) });
    } else {
      others.rows.push({ name: title(key), value: said(key, value) });
    }
  }
  if (others.rows.length > 0) groups.push(others);
  return groups;
}
