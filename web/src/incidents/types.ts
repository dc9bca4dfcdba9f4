/** An incident's document as CONTRACT.md promises it; `openapi.json` leaves its inner parts open. */
import type { components } from '../api/schema';

export interface Evidence {
  says: string;
  metric: string;
  value: number | null;
  baseline: number | null;
  query: string;
  from: string;
  to: string;
}
export interface Cause {
  cause: string;
  confidence: number;
  share: number;
  object: Record<string, unknown>;
  says: string;
  evidence: Evidence[];
  remedy: { says: string; order: unknown; undo: unknown; safe_to_automate: boolean };
}
export interface Row {
  at: string;
  kind: string;
  by: string;
  who?: string;
  says: string;
  tag?: string;
  evidence: Evidence[];
}
export interface Action {
  id: string;
  says: string;
  type: string;
  owner: string | null;
  due: string | null;
  priority: string;
  verify: string;
  status: string;
  adopted: boolean;
  status_says: string;
}
export interface Clocks {
  impact_started_at: string;
  detected_at: string;
  cause_named_at: string | null;
  acknowledged_at: string | null;
  mitigated_at: string | null;
  resolved_at: string | null;
  detect_s: number | null;
  name_cause_s: number | null;
  acknowledge_s: number | null;
  mitigate_s: number | null;
  resolve_s: number | null;
}
export interface Impact {
  transactions: number | null;
  transactions_delayed: number | null;
  transactions_failed: number | null;
  clients: number | null;
  clients_affected: number | null;
  users: number | null;
  users_affected: number | null;
  users_affected_ratio: number | null;
  users_known_by: string;
  wait_s_p99_before: number | null;
  wait_s_p99_during: number | null;
  wait_s_p99_after?: number | null;
  objective: string;
  data_lost: string;
  events_lost?: number | null;
}
type Loose = components['schemas']['Incident'];
export type Incident = Omit<Loose, 'clocks' | 'impact' | 'causes' | 'ruled_out' | 'trigger' | 'timeline' | 'actions' | 'roles' | 'reviewed' | 'acknowledged_by'> & {
  service?: string | null;
  clocks: Clocks;
  impact: Impact;
  causes: Cause[];
  ruled_out: { cause: string; says: string; evidence: Evidence[] }[];
  trigger: { says: string; at: string | null } | null;
  timeline: Row[];
  actions: Action[];
  acknowledged_by: string | null;
  roles?: Record<string, { who: string; since: string } | null>;
  reviewed?: { at: string; who: string; says: string } | null;
  merged_into?: string | null;
  related?: { id: string; says: string }[];
};
