import type { CollectionSettings } from '../../../../src/model/collections/collection-settings.ts'
import type { RetentionTrial } from '../../../../src/model/collections/retention-preview.ts'

/** Limits as they are typed; an empty one does not apply. */
export interface LimitsEntry {
  days: string
  runs: string
  gigabytes: string
}

/** A rule for runs with a label. */
export interface LabelEntry {
  label: string
  /** They are kept for ever, whatever the other rules say. */
  isKept: boolean
  days: string
}

export interface TaskEntry extends LimitsEntry {
  task: string
}

/** The rules of a collection as they are typed. */
export interface RetentionEntry {
  all: LimitsEntry
  labels: readonly LabelEntry[]
  tasks: readonly TaskEntry[]
}

type SavedRetention = Pick<CollectionSettings, 'retention_days' | 'retention'>

const gigabyte = 1e9
const mostDays = 36_500

const textOf = (value: number | null | undefined): string => String(value ?? '')
const gigabytesText = (bytes: number | null | undefined): string => (bytes ? String(bytes / gigabyte) : '')

/** The entries that stand for saved settings. */
export const retentionEntry = ({ retention_days: days, retention }: SavedRetention): RetentionEntry => ({
  all: { days: textOf(days), runs: textOf(retention?.runs), gigabytes: gigabytesText(retention?.bytes) },
  labels: [
    ...(retention?.keep_labels ?? []).map((label) => ({ label, isKept: true, days: '' })),
    ...Object.entries(retention?.labels ?? {}).map(([label, rule]) => ({
      label,
      isKept: false,
      days: textOf(rule?.days),
    })),
  ],
  tasks: Object.entries(retention?.tasks ?? {}).map(([task, rule]) => ({
    task,
    ...{ days: textOf(rule?.days), runs: textOf(rule?.runs), gigabytes: gigabytesText(rule?.bytes) },
  })),
})

const numberOf = (text: string): number | null => (text.trim() === '' ? null : Number(text))
const bytesOf = (text: string): number | null => (text.trim() === '' ? null : Math.round(Number(text) * gigabyte))

/** What is saved and no longer entered becomes null: a change merges into what is saved. */
const removed = (saved: Readonly<Record<string, unknown>> | null | undefined, entered: readonly string[]) =>
  Object.fromEntries(Object.keys(saved ?? {}).flatMap((name) => (entered.includes(name) ? [] : [[name, null]])))

/** The change of settings that turns the saved rules into the entered ones. */
export const changeOfRules = (entry: RetentionEntry, saved: SavedRetention): RetentionTrial => {
  const kept = entry.labels.filter(({ isKept }) => isKept).map(({ label }) => label.trim())
  const timed = entry.labels.filter(({ isKept }) => !isKept)
  return {
    retention_days: numberOf(entry.all.days),
    retention: {
      runs: numberOf(entry.all.runs),
      bytes: bytesOf(entry.all.gigabytes),
      keep_labels: kept.length === 0 ? null : kept,
      labels: {
        ...removed(
          saved.retention?.labels,
          timed.map(({ label }) => label.trim()),
        ),
        ...Object.fromEntries(timed.map(({ label, days }) => [label.trim(), { days: Number(days) }])),
      },
      tasks: {
        ...removed(
          saved.retention?.tasks,
          entry.tasks.map(({ task }) => task.trim()),
        ),
        ...Object.fromEntries(
          entry.tasks.map(({ task, days, runs, gigabytes }) => [
            task.trim(),
            { days: numberOf(days), runs: numberOf(runs), bytes: bytesOf(gigabytes) },
          ]),
        ),
      },
    },
  }
}

const wholeFault = (text: string, most = 1_000_000_000): string | undefined =>
  text.trim() === '' || (/^\d+$/.test(text.trim()) && Number(text) >= 1 && Number(text) <= most)
    ? undefined
    : `Write a whole number from 1 to ${most.toLocaleString('en-US')}`

const gigabytesFault = (text: string): string | undefined =>
  text.trim() === '' || (Number(text) > 0 && Number.isSafeInteger(bytesOf(text)) && bytesOf(text) !== 0)
    ? undefined
    : 'Write a number above 0, such as 0.5 or 10'

/** What is wrong with each limit. */
export const limitFaults = ({ days, runs, gigabytes }: LimitsEntry): Partial<LimitsEntry> => ({
  ...faultAt('days', wholeFault(days, mostDays)),
  ...faultAt('runs', wholeFault(runs)),
  ...faultAt('gigabytes', gigabytesFault(gigabytes)),
})

const faultAt = <Name extends string>(name: Name, fault: string | undefined): Partial<Record<Name, string>> =>
  fault === undefined ? {} : ({ [name]: fault } as Partial<Record<Name, string>>)

/** What is wrong with the rule of a label, of those entered. */
export const labelFaults = (
  { label, isKept, days }: LabelEntry,
  all: readonly LabelEntry[],
): { label?: string; days?: string } => {
  const name = label.trim()
  const isTwice = all.filter((one) => one.label.trim() === name).length > 1
  return {
    ...faultAt(
      'label',
      /^[^:\0]/.test(name) ? (isTwice ? 'Another rule has this label' : undefined) : 'Write key, or key:value',
    ),
    ...faultAt('days', isKept ? undefined : days.trim() === '' ? 'Write a number' : wholeFault(days, mostDays)),
  }
}

/** What is wrong with the rule of a task, of those entered. */
export const taskFaults = (entry: TaskEntry, all: readonly TaskEntry[]): Partial<TaskEntry> => {
  const { task, days, runs, gigabytes } = entry
  const isTwice = all.filter((one) => one.task.trim() === task.trim()).length > 1
  const isEmpty = [days, runs, gigabytes].every((text) => text.trim() === '')
  const fault =
    task.trim() === ''
      ? 'Choose a task'
      : isTwice
        ? 'Another rule has this task'
        : isEmpty
          ? 'Write a limit'
          : undefined
  return { ...limitFaults(entry), ...faultAt('task', fault) }
}

export const isFaulty = (entry: RetentionEntry): boolean =>
  [
    limitFaults(entry.all),
    ...entry.labels.map((one) => labelFaults(one, entry.labels)),
    ...entry.tasks.map((one) => taskFaults(one, entry.tasks)),
  ].some((faults) => Object.keys(faults).length > 0)
