import type { WorkflowFault } from '../../../../src/model/workflows/workflow-fault.ts'
import { Icon } from '../../../ui/icon.tsx'

interface ProblemListProps {
  problems: readonly WorkflowFault[]
  isBroken: boolean
  onShow: (pointer: string) => void
}

/** The problems of a workflow. Each leads to its place in the text. */
export const ProblemList = ({ problems, isBroken, onShow }: ProblemListProps) => {
  if (isBroken) return <p className="px-4 py-3 text-bad">The text is not JSON. The first mistake is underlined.</p>
  if (problems.length === 0) return <p className="px-4 py-3 text-muted">No problems: a run can begin.</p>
  return (
    <ul>
      {problems.map(({ pointer, severity, message, hint }) => (
        <li key={`${pointer} ${message}`}>
          <button
            type="button"
            onClick={() => onShow(pointer)}
            className="flex w-full gap-2 px-4 py-1.5 text-left hover:bg-sunk"
          >
            <Icon
              name={severity === 'error' ? 'cross' : 'warning'}
              label={severity === 'error' ? 'Error' : 'Warning'}
              className={`mt-0.5 ${severity === 'error' ? 'text-bad' : 'text-wait'}`}
            />
            <span className="min-w-0 flex-1">
              <span className="break-words">{message}</span>
              {hint && <span className="block break-words text-12 text-muted">{hint}</span>}
              <code className="block truncate text-11 text-faint">{pointer || '/'}</code>
            </span>
          </button>
        </li>
      ))}
    </ul>
  )
}
