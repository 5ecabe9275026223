import { Link } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import type { Run } from '../../data/run.ts'
import { plainText } from '../../parts/log/plain-text.ts'
import { environmentHref, PageLink } from '../../parts/page-link.tsx'
import type { PanelName } from '../../parts/step-panel/panel-tabs.ts'
import { Button, buttonClass } from '../../ui/button.tsx'
import { StatusMark } from '../../ui/status.tsx'
import type { FirstAction, Trouble } from './failure.ts'

const looks = {
  bad: { mark: 'failed', frame: 'border-bad' },
  part: { mark: 'partial', frame: 'border-bad' },
  wait: { mark: 'waiting', frame: 'border-wait' },
  idle: { mark: 'cancelled', frame: 'border-line' },
}

/** Shows a step, and of it a part of the panel. */
type ShowStep = (step: string, panel?: PanelName) => void

interface BannerProps {
  run: Run
  trouble: Trouble
  onShow: ShowStep
  onRerun: (from: string) => void
  /** Buttons of a decision that the run waits for. */
  decision?: ReactNode
}

/** What failed, and what to do first. */
export const Banner = ({ run, trouble, onShow, onRerun, decision }: BannerProps) => {
  const { tone, step, message, cause, hint, others, action } = trouble
  const look = looks[tone]
  return (
    <div
      role={tone === 'bad' ? 'alert' : 'status'}
      className={`mx-4 mb-2 flex flex-wrap items-start gap-x-3 gap-y-2 rounded-m border px-3 py-2 ${look.frame}`}
    >
      <StatusMark of={look.mark} className="mt-[3px]" />
      <div className="max-h-32 min-w-60 flex-1 overflow-y-auto">
        <p className="[overflow-wrap:anywhere]">
          {step !== undefined && (
            <button type="button" onClick={() => onShow(step)} className="font-medium hover:underline">
              {step}:
            </button>
          )}{' '}
          {plainText(message.replace(`Step '${step}': `, ''))}
          {others > 0 && <span className="text-muted"> and {others} more</span>}
        </p>
        {cause && <p className="text-12 text-muted [overflow-wrap:anywhere]">{plainText(cause)}</p>}
        {hint && <p className="text-muted [overflow-wrap:anywhere]">→ {plainText(hint)}</p>}
      </div>
      {decision ?? <ActionButton run={run} step={step} action={action} onShow={onShow} onRerun={onRerun} />}
    </div>
  )
}

interface ActionProps {
  run: Run
  step: string | undefined
  action: FirstAction
  onShow: ShowStep
  onRerun: (from: string) => void
}

/** Address of the definition, which offers to run this run again once it is saved. */
const definitionHref = ({ collection, task, trajectory_id: mends }: Run, from: string | undefined): string =>
  `/${[collection, task].map(encodeURIComponent).join('/')}?${new URLSearchParams({ tab: 'definition', mends, ...(from === undefined ? {} : { from }) })}`

const ActionButton = ({ run, step, action, onShow, onRerun }: ActionProps) => {
  const { collection } = run
  switch (action.kind) {
    case 'show':
      return <Button onClick={() => onShow(action.step)}>Go to {action.step}</Button>
    case 'rerun':
      return <Button onClick={() => onRerun(action.step)}>Run again from {action.step}</Button>
    case 'runs':
      return <Button onClick={() => onShow(action.step, 'runs')}>Show the failed runs</Button>
    case 'child':
      return (
        <Link
          to="/$collection/$task/$id"
          params={{ collection, task: action.task, id: action.id }}
          className={buttonClass()}
        >
          Open the run that failed
        </Link>
      )
    case 'environment':
      return (
        <PageLink href={environmentHref(action.collection)} className={buttonClass()}>
          Set a key
        </PageLink>
      )
    case 'definition':
      return (
        <PageLink href={definitionHref(run, step)} className={buttonClass()}>
          Open the definition
        </PageLink>
      )
    default:
      return null
  }
}
