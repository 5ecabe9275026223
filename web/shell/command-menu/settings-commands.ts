import type { Command } from './rank.ts'

const parts = [
  ['keys', 'Keys'],
  ['environment', 'Environment and secrets'],
  ['budgets', 'Budgets'],
  ['retention', 'Retention'],
  ['storage', 'Storage'],
  ['calls', 'Calls and network'],
  ['webhooks', 'Webhooks'],
  ['trial', 'Trial'],
  ['audit', 'Audit'],
  ['general', 'Owner and deletion'],
] as const

/** Pages about the server, for the admin. */
const serverParts = [
  ['health', 'Health and queue of the server'],
  ['providers', 'Model providers'],
  ['workers', 'Workers: programs that carry out steps'],
  ['sandbox', 'Sandbox of runbooks'],
  ['storage', 'Storage of the server'],
  ['audit', 'Audit of the server'],
] as const

/** The commands that lead to settings: of the collection that is looked at, and of this browser. */
export const settingsCommands = (
  collection: string | undefined,
  isAdmin: boolean,
  go: (href: string) => void,
): Command[] => [
  ...(collection === undefined ? [] : parts).map(([name, text]) => ({
    id: `settings ${name}`,
    kind: 'Settings',
    text: `${text} of ${collection}`,
    run: () => go(`/${encodeURIComponent(collection ?? '')}/-/settings/${name}`),
  })),
  { id: 'sessions', kind: 'Settings', text: 'Sessions', run: () => go('/settings/sessions') },
  ...(isAdmin ? serverParts : []).map(([name, text]) => ({
    id: `server ${name}`,
    kind: 'Server',
    text,
    run: () => go(`/settings/${name}`),
  })),
]
