/**
 * What may a person ask Weir to do, in words and as a request? Pure: an act is a value; the dialog
 * shows it and sends it.
 */

export interface Field {
  name: string;
  label: string;
  kind: 'text' | 'area' | 'number' | 'choice' | 'time';
  value?: string;
  hint?: string;
  choices?: { value: string; label: string }[];
  needed?: boolean;
  min?: number;
  max?: number;
}

export interface Act {
  /** The question: "Resize app/dashboard?" */
  title: string;
  /** The button: "Resize". */
  verb: string;
  /** What it will do, where the server isn't asked for it. */
  says: string;
  /** How it is taken back. */
  undo: string;
  path: string;
  method?: 'POST' | 'DELETE';
  body: Readonly<Record<string, unknown>>;
  fields?: Field[];
  /** The server can say beforehand what it would do. */
  foretold?: boolean;
  danger?: boolean;
  /** The act that takes it back, where the page knows it. The server's own wins. */
  back?: Act;
}

const ORDERS = '/api/v1/orders';
const incident = (id: string, what: string) => `/api/v1/incidents/${encodeURIComponent(id)}/${what}`;
const note = (label: string, needed = false, hint?: string): Field => ({ name: 'text', label, kind: 'area', needed, ...(hint ? { hint } : {}) });

export function resize(pool: string, now: number, to = now, min = 1, max = 10_000): Act {
  return {
    title: `Resize ${pool}?`,
    verb: 'Resize',
    says: `The pool has ${now} servers. More are opened as clients need them; fewer are closed as they come back.`,
    undo: `Resize back to ${now}.`,
    path: ORDERS,
    body: { order: 'resize', pool },
    fields: [{ name: 'size', label: 'Servers', kind: 'number', value: String(to), needed: true, min, max }],
    foretold: true,
  };
}

export function pause(database: string): Act {
  return {
    title: `Pause database ${database}?`,
    verb: 'Pause',
    says: 'Transactions under way end; then no client gets a server until somebody resumes. Clients wait, and their waits count.',
    undo: 'Resume.',
    path: ORDERS,
    body: { order: 'pause', database },
    foretold: true,
    danger: true,
    back: resume(database, false),
  };
}

export function resume(database: string, withBack = true): Act {
  return {
    title: `Resume database ${database}?`,
    verb: 'Resume',
    says: 'Clients that wait get servers again, in order of their arrival.',
    undo: 'Pause again.',
    path: ORDERS,
    body: { order: 'resume', database },
    foretold: true,
    ...(withBack ? { back: pause(database) } : {}),
  };
}

export function cancel(server: number, statement: string): Act {
  return {
    title: `Cancel the statement of server ${server}?`,
    verb: 'Cancel statement',
    says: statement ? `It runs: ${statement}` : 'PostgreSQL is asked to stop what this server runs.',
    undo: 'None: the application gets an error (57014) and may try again.',
    path: ORDERS,
    body: { order: 'cancel', server },
    foretold: true,
    danger: true,
  };
}

export function closeClient(client: number, who: string): Act {
  return {
    title: `Close client ${client}?`,
    verb: 'Close client',
    says: `${who} loses its connection; a transaction under way is rolled back.`,
    undo: 'None: the application must connect again.',
    path: ORDERS,
    body: { order: 'close_client', client },
    fields: [{ name: 'reason', label: 'Reason, as the client reads it', kind: 'text' }],
    foretold: true,
    danger: true,
  };
}

export function approve(pool: string, says: string, undo: string): Act {
  return {
    title: `Approve for ${pool}?`,
    verb: 'Approve',
    says,
    undo: undo || 'Resize back.',
    path: ORDERS,
    body: { order: 'approve', pool },
    foretold: true,
  };
}

export function regulator(mode: string, now: string): Act {
  const means: Record<string, string> = {
    observe: 'Weir watches and writes down what it would do; it changes nothing.',
    recommend: 'Weir says what it would do and waits for somebody to approve.',
    act: 'Weir resizes pools by itself, inside the rails that the operator set.',
  };
  return {
    title: `Set the regulator to ${mode}?`,
    verb: `Set to ${mode}`,
    says: means[mode] ?? '',
    undo: `Set it back to ${now}.`,
    path: ORDERS,
    body: { order: 'regulator', mode },
    foretold: true,
    ...(now === mode ? {} : { back: { ...regulator(now, now) } }),
  };
}

export function acknowledge(id: string): Act {
  return {
    title: `Acknowledge ${id}?`,
    verb: 'Acknowledge',
    says: 'You have it: nobody else is called. The clock of acknowledgement stops.',
    undo: 'It stays written down; assign somebody else if you hand it over.',
    path: incident(id, 'ack'),
    body: {},
    fields: [note('What you are doing first')],
  };
}

export function mitigate(id: string): Act {
  return {
    title: `Is the impact of ${id} gone?`,
    verb: 'Mitigated',
    says: 'Users are served again; the cause may still be there.',
    undo: 'Reopen it.',
    path: incident(id, 'mitigate'),
    body: {},
    fields: [note('What helped', true)],
  };
}

export function resolve(id: string): Act {
  return {
    title: `Is ${id} over?`,
    verb: 'Resolve',
    says: 'The cause is dealt with, and nothing more is expected to happen.',
    undo: 'Reopen it.',
    path: incident(id, 'resolve'),
    body: {},
    fields: [note('What fixed it', true)],
    back: reopen(id),
  };
}

export function reopen(id: string): Act {
  return {
    title: `Reopen ${id}?`,
    verb: 'Reopen',
    says: "It wasn't over. From now on people alone end it.",
    undo: 'Resolve it.',
    path: incident(id, 'reopen'),
    body: {},
    fields: [note('Why', true)],
  };
}

export function review(id: string): Act {
  return {
    title: `Have you gone over the report of ${id}?`,
    verb: 'Reviewed',
    says: 'Somebody who did not take part says that the report is true and whole.',
    undo: 'It stays written down; correct what is wrong and review again.',
    path: incident(id, 'review'),
    body: {},
    fields: [note('What you would still change')],
  };
}

export function close(id: string): Act {
  return {
    title: `Close ${id}?`,
    verb: 'Close',
    says: 'Nothing is left to do. Refused while actions are open, unless you say what becomes of them.',
    undo: 'Reopen it.',
    path: incident(id, 'close'),
    body: {},
    fields: [
      {
        name: 'open_actions',
        label: 'Open actions',
        kind: 'choice',
        value: 'refuse',
        choices: [
          { value: 'refuse', label: "don't close while there are any" },
          { value: 'leave', label: 'leave them open' },
          { value: 'decline', label: "decline them: won't be done" },
        ],
      },
      note('Why'),
    ],
  };
}

export function annotate(id: string, at?: string): Act {
  return {
    title: `Write into the timeline of ${id}`,
    verb: 'Write down',
    says: 'Everybody who reads the incident or its report sees it, with your name.',
    undo: "A note isn't taken back; write another that sets it right.",
    path: incident(id, 'notes'),
    body: {},
    fields: [
      note('What you saw, did or found out', true),
      { name: 'happened_at', label: 'When it happened (UTC), if not now', kind: 'time', value: at ?? '', hint: '2026-11-25T08:29:13Z' },
    ],
  };
}

export function assign(id: string): Act {
  return {
    title: `Give somebody a role in ${id}`,
    verb: 'Assign',
    says: 'Lead decides, communications tells others, scribe writes down.',
    undo: 'Assign somebody else.',
    path: incident(id, 'assign'),
    body: {},
    fields: [
      {
        name: 'role',
        label: 'Role',
        kind: 'choice',
        value: 'lead',
        choices: ['lead', 'communications', 'scribe'].map((value) => ({ value, label: value })),
      },
      { name: 'to', label: 'Who', kind: 'text', needed: true },
    ],
  };
}

export function update(id: string): Act {
  return {
    title: `Tell stakeholders about ${id}`,
    verb: 'Write the update',
    says: 'A text is made from the template and kept in the journal; you send it where they read.',
    undo: "An update isn't taken back; write another.",
    path: incident(id, 'update'),
    body: {},
    fields: [
      { name: 'doing', label: 'What is being done', kind: 'area', needed: true },
      { name: 'impact', label: 'What users notice, in their words', kind: 'area' },
      { name: 'next_update_in', label: 'Next update in', kind: 'text', hint: '30min' },
    ],
  };
}

export function answer(id: string, question: string): Act {
  return {
    title: 'Answer a question of the report',
    verb: 'Answer',
    says: question,
    undo: 'Answer again; the newest stands.',
    path: incident(id, 'answers'),
    body: { question },
    fields: [note('Answer', true)],
  };
}

export function action(id: string, actionId: string, says: string, act: 'adopt' | 'done' | 'decline' | 'verify' | 'reopen'): Act {
  const words: Record<typeof act, [string, string]> = {
    adopt: ['Adopt', 'It is ours: somebody owns it.'],
    done: ['Done', 'It was done; verify it afterwards.'],
    decline: ["Won't do", 'It stays in the report as declined, with your reason.'],
    verify: ['Verify', 'Weir checks what it can check; else you say what you saw.'],
    reopen: ['Reopen', 'It is to be done after all.'],
  };
  const fields: Field[] = [];
  if (act === 'adopt') {
    fields.push({ name: 'owner', label: 'Owner', kind: 'text' }, { name: 'due', label: 'Due (year-month-day)', kind: 'text', hint: '2026-12-15' });
  }
  fields.push(note('Words', act === 'decline'));
  return {
    title: `${words[act][0]}: action ${actionId}?`,
    verb: words[act][0],
    says: `${says} — ${words[act][1]}`,
    undo: act === 'reopen' ? 'Do or decline it.' : 'Reopen the action.',
    path: incident(id, 'actions'),
    body: { do: act, id: actionId },
    fields,
  };
}

/** What is sent: the act's own body, what was filled in, and by whom. */
export function request(act: Act, values: Readonly<Record<string, string>>, by: string): Record<string, unknown> {
  const body: Record<string, unknown> = { ...act.body, by: by.trim() };
  for (const field of act.fields ?? []) {
    const value = (values[field.name] ?? '').trim();
    if (value === '') continue;
    body[field.name] = field.kind === 'number' ? Number(value) : value;
  }
  return body;
}

/** What is still missing before it can be sent; nothing, if it can. */
export function missing(act: Act, values: Readonly<Record<string, string>>, by: string): string | undefined {
  if (by.trim() === '') return 'Say who you are: the journal names who did what.';
  for (const field of act.fields ?? []) {
    const value = (values[field.name] ?? '').trim();
    if (field.needed && value === '') return `Fill in “${field.label}”.`;
    if (field.kind === 'number' && value !== '') {
      const number = Number(value);
      if (!Number.isInteger(number)) return `“${field.label}” takes a whole number.`;
      if (field.min !== undefined && number < field.min) return `“${field.label}” begins at ${field.min}.`;
      if (field.max !== undefined && number > field.max) return `“${field.label}” ends at ${field.max}.`;
    }
    if (field.kind === 'time' && value !== '' && Number.isNaN(Date.parse(value))) {
      return `“${field.label}” takes a time like 2026-11-25T08:29:13Z.`;
    }
  }
  return undefined;
}

/** An order that the server sent as the way back, as an act. */
export function fromOrder(order: unknown, says: string): Act | undefined {
  if (typeof order !== 'object' || order === null || !('order' in order)) return undefined;
  const { by: _by, dry_run: _dry, ...body } = order as Record<string, unknown>;
  return {
    title: 'Take it back?',
    verb: 'Undo',
    says,
    undo: 'Do again what you just took back.',
    path: ORDERS,
    body,
    foretold: true,
  };
}
