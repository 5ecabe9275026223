import type { CollectionRun } from '../../../../src/model/runs/collection-run.ts'
import { plainText } from '../../../parts/log/plain-text.ts'
import { PageLink, runHref } from '../../../parts/page-link.tsx'
import { jobOfRun, originOfRun } from '../../../parts/run-origin.ts'
import { personText } from '../../../parts/status-of-run.ts'
import { costText, countText } from '../../../text/numbers.ts'
import { Badge } from '../../../ui/badge.tsx'
import { Icon } from '../../../ui/icon.tsx'
import { StatusMark, statusWord } from '../../../ui/status.tsx'

interface Cell {
  run: CollectionRun
}

export const Steps = ({ run: { steps } }: Cell) => (
  <>
    {steps.done}
    <span className="text-faint">/{steps.total}</span>
  </>
)

/** The id of a run, and what tells it from others: the batch or evaluation that it is, or its parameters. */
export const RunName = ({ run }: Cell) => {
  const job = jobOfRun(run)
  return (
    <>
      <PageLink href={runHref(run)} tabIndex={-1} className="font-mono text-12 text-accent hover:underline">
        {run.trajectory_id}
      </PageLink>
      {job ? (
        <PageLink href={job.href} tabIndex={-1} title="Open its report" className="ml-2 text-12 hover:underline">
          {plainText(job.text)}
        </PageLink>
      ) : (
        run.input_preview !== null && (
          <span className="ml-2 text-12 text-muted" title={plainText(run.input_preview)}>
            {plainText(run.input_preview)}
          </span>
        )
      )}
    </>
  )
}

/** Whether a run called a model, so that its cost says something. */
export const hasCost = ({ cost_usd: usd, tokens, models }: CollectionRun): boolean =>
  usd !== null || tokens !== null || models.length > 0

export const Cost = ({ run }: Cell) => (
  <span className={run.cost_usd === null ? 'text-faint' : ''}>{costText(run.cost_usd, hasCost(run))}</span>
)

export const Tokens = ({ run: { tokens } }: Cell) => (
  <span className={tokens === null ? 'text-faint' : ''}>{countText(tokens)}</span>
)

export const Version = ({ run: { version_number: number } }: Cell) =>
  number === null ? <span className="text-faint">–</span> : <span className="text-muted">v{number}</span>

const triggerTexts: Partial<Record<CollectionRun['trigger'], string>> = {
  parent: 'a run',
  rerun: 're-run',
  gateway: 'gateway',
  ingest: 'sent in',
}

/** The routine, the run or the person that started it. */
export const StartedBy = ({ run }: Cell) => {
  const { trigger, author } = run
  if (trigger === 'routine') {
    return (
      <span className="inline-flex items-center gap-1 text-muted">
        <Icon name="clock" className="size-3.5" /> {originOfRun(run).text}
      </span>
    )
  }
  const kind = triggerTexts[trigger]
  return (
    <span className="text-muted">
      {kind === undefined ? personText(author) : trigger === 'rerun' ? `${kind} · ${personText(author)}` : kind}
    </span>
  )
}

/** How many runs it has started, and how they are; it leads to them. */
export const Children = ({ run, onShow }: Cell & { onShow: (run: CollectionRun) => void }) => {
  if (!run.children) return null
  const { total, by_status: by } = run.children
  const open = by.running + by.pending
  const parts = [
    { of: 'completed', count: by.completed },
    { of: 'failed', count: by.failed },
    { of: 'running', count: open },
  ].filter(({ count }) => count > 0)
  const all = Object.entries(by).filter(([, count]) => count > 0)
  return (
    <button
      type="button"
      tabIndex={-1}
      title={`Runs that it started: ${all.map(([status, count]) => `${count} ${status}`).join(', ')}`}
      onClick={() => onShow(run)}
      className="inline-flex h-5 shrink-0 items-center gap-1.5 rounded-s border border-line px-1.5 text-12 hover:bg-raised"
    >
      ×{countText(total)}
      {parts.map(({ of, count }) => (
        <span key={of} className="inline-flex items-center gap-0.5">
          {countText(count)}
          <StatusMark of={of} label={statusWord(of)} className="size-3" />
        </span>
      ))}
    </button>
  )
}

/** The last value of each label. */
const lastLabels = ({ run: { labels } }: Cell): [string, string][] => [
  ...new Map(labels.map(({ key, value }) => [key, value])),
]

const labelBadges = (labels: readonly [string, string][]) =>
  labels.map(([key, value]) => (
    <Badge key={key} title={`${key}: ${value}`}>
      {labelText(key, value)}
    </Badge>
  ))

const moreLabels = (labels: readonly [string, string][], shown: number, className: string) =>
  labels.length > shown && (
    <span
      className={`shrink-0 text-12 text-faint ${className}`}
      title={labels.map(([key, value]) => labelText(key, value)).join(', ')}
    >
      +{labels.length - shown}
    </span>
  )

const mostLabels = 3

/** Labels in a row: one in a narrow table, three in a wide one, shortened so that the number of the others is seen. */
export const RowLabels = (cell: Cell) => {
  const labels = lastLabels(cell)
  return (
    <>
      {labelBadges(labels.slice(0, 1))}
      <span className="hidden @6xl:contents">{labelBadges(labels.slice(1, mostLabels))}</span>
      {moreLabels(labels, 1, '@6xl:hidden')}
      {moreLabels(labels, mostLabels, 'hidden @6xl:inline')}
    </>
  )
}

/** All labels of a run. */
export const Labels = (cell: Cell) => labelBadges(lastLabels(cell))

/** A label whose value says no more than that it is there is only named. */
const labelText = (key: string, value: string): string => (value === '' || value === 'true' ? key : `${key}: ${value}`)
