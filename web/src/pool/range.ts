/** How far back a chart looks. */
export const RANGES: { key: string; says: string; ms: number }[] = [
  { key: '2m', says: '2 min', ms: 120_000 },
  { key: '5m', says: '5 min', ms: 300_000 },
  { key: '15m', says: '15 min', ms: 900_000 },
  { key: '1h', says: '1 h', ms: 3_600_000 },
  { key: '6h', says: '6 h', ms: 21_600_000 },
  { key: '1d', says: '1 day', ms: 86_400_000 },
  { key: '1w', says: '1 week', ms: 604_800_000 },
];

export const RANGE_USUAL = '5m';

export function range_ms(key: string | undefined): number {
  return (RANGES.find((range) => range.key === key) ?? RANGES.find((range) => range.key === RANGE_USUAL) ?? { ms: 300_000 }).ms;
}
