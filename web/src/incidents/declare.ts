import type { Act } from '../acts/acts';

/** An incident that no detector saw. */
export function declare(): Act {
  return {
    title: 'Declare an incident that Weir did not see?',
    verb: 'Declare',
    says: 'It opens at once, calls whom the escalation names, and is ended by people alone.',
    undo: 'Resolve and close it; it stays in the list.',
    path: '/api/v1/incidents',
    body: {},
    fields: [
      { name: 'title', label: 'What is wrong, in one line', kind: 'text', needed: true },
      {
        name: 'severity',
        label: 'Severity',
        kind: 'choice',
        value: 'sev3',
        choices: [
          { value: 'sev1', label: 'sev1: most users, now' },
          { value: 'sev2', label: 'sev2: many users' },
          { value: 'sev3', label: 'sev3: some users' },
          { value: 'sev4', label: 'sev4: nobody yet' },
        ],
      },
      { name: 'impact_started_at', label: 'When it began (UTC), if not now', kind: 'time', hint: '2026-11-25T08:29:13Z' },
      { name: 'text', label: 'What is known', kind: 'area' },
    ],
  };
}
