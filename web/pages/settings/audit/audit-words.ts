import type { ShownAuditEntry } from '../../../../src/model/collections/audit.ts'

const verbs: Readonly<Record<string, string>> = {
  signIn: 'Signed in',
  signOut: 'Signed out',
  endSession: 'Ended a session',
  endSessions: 'Ended sessions',
  createSignInLink: 'Made a sign-in link',
  setEnvironment: 'Changed variables',
  updateCollectionSettings: 'Changed settings',
  setCollectionStorage: 'Changed where files are stored',
  setCollectionOwner: 'Changed the owner',
  activateTrial: 'Began the trial',
  decideApproval: 'Decided an approval',
  discardEvent: 'Discarded an event',
  rotateSecretKey: 'Changed the encryption key',
}
const firstWords: Readonly<Record<string, string>> = {
  create: 'Created',
  update: 'Changed',
  delete: 'Deleted',
  set: 'Set',
  pause: 'Paused',
  resume: 'Resumed',
  cancel: 'Cancelled',
  start: 'Started',
  run: 'Ran',
}

/** What an operation did, in words: `createTask` is "Created task"; an unknown one stays as it is called. */
export const operationWords = (operation: string): string => {
  const known = Object.hasOwn(verbs, operation) ? verbs[operation] : undefined
  if (known !== undefined) return known
  const [first = '', ...rest] = operation.split(/(?=[A-Z])/)
  const verb = Object.hasOwn(firstWords, first) ? firstWords[first] : undefined
  return verb === undefined ? operation : [verb, ...rest.map((word) => word.toLowerCase())].join(' ')
}

/** Who did it, as one text. */
export const actorText = ({ kind, name, key_prefix: prefix }: ShownAuditEntry['actor']): string =>
  kind === 'admin' ? 'admin' : `${name ?? 'a key'} (${prefix ?? '–'}…)`

const valueText = (value: unknown): string => {
  if (Array.isArray(value)) return value.map(valueText).join(', ')
  return typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value)
}

/** What was changed, as `name: value` texts; empty lists are left out. */
export const changeTexts = (changes: ShownAuditEntry['changes']): string[] =>
  Object.entries(changes)
    .filter(([, value]) => !Array.isArray(value) || value.length > 0)
    .map(([name, value]) => `${name}: ${valueText(value)}`)
