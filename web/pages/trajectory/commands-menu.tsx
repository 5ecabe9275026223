import { useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { api } from '../../data/api.ts'
import { isOpen, type Run, type RunAddress, stepsInOrder } from '../../data/run.ts'
import { saveAnswer } from '../../data/save-answer.ts'
import { useMayWrite } from '../../data/whoami.ts'
import { DeleteRuns } from '../../parts/delete-runs.tsx'
import { lineageHref, PageLink } from '../../parts/page-link.tsx'
import { commandsFor } from '../../parts/run-commands.ts'
import { Button, buttonClass } from '../../ui/button.tsx'
import { CopyLine, copyText } from '../../ui/copy.tsx'
import { Icon } from '../../ui/icon.tsx'
import { Popover } from '../../ui/popover.tsx'
import { showToast } from '../../ui/toast.tsx'
import { AddToDataset } from './add-to-dataset.tsx'

interface CommandsMenuProps {
  run: Run
  place: RunAddress
  failedStep: string | undefined
}

/** The runs that the steps of a run started, as far as it says. */
const childrenOf = (run: Run) => {
  const total = stepsInOrder(run).reduce((sum, { progress }) => sum + (progress?.begun ?? 0), 0)
  return total === 0 ? null : { total, by_status: noCounts }
}

const noCounts = { pending: 0, running: 0, completed: 0, failed: 0, cancelled: 0, archived: 0 }

/** The command line that does the same, and what else can be done with a run. */
export const CommandsMenu = ({ run, place, failedStep }: CommandsMenuProps) => {
  const [isSaving, setSaving] = useState(false)
  const [isAdding, setAdding] = useState(false)
  const [isDeleting, setDeleting] = useState(false)
  const navigate = useNavigate()
  const mayWrite = useMayWrite()
  const download = async () => {
    setSaving(true)
    try {
      const params = { collection: place.collection, task: place.task, trajectory_id: place.id }
      await saveAnswer(await api.downloadTrajectory({ params }), `${place.id}.zip`)
    } catch (error) {
      showToast({ text: error instanceof Error ? error.message : String(error), isBad: true })
    } finally {
      setSaving(false)
    }
  }
  return (
    <>
      {isDeleting && (
        <DeleteRuns
          collection={place.collection}
          runs={[{ status: run.status, trajectory_id: place.id, children: childrenOf(run) }]}
          onDone={() =>
            void navigate({
              to: '/$collection/$task',
              params: { collection: place.collection, task: place.task },
            })
          }
          onClose={() => setDeleting(false)}
        />
      )}
      {isAdding && <AddToDataset place={place} onClose={() => setAdding(false)} />}
      <Popover
        label="More, and the command line"
        button={<Icon name="dots" />}
        side="left"
        className="inline-flex size-7 items-center justify-center rounded-m border border-line hover:bg-sunk"
      >
        {(close) => (
          <div className="flex w-120 max-w-full flex-col gap-3">
            <div className="flex flex-wrap gap-2">
              <Button
                icon="link"
                onClick={async () => (await copyText(location.href)) && showToast({ text: 'Copied the link' })}
              >
                Copy the link
              </Button>
              <Button icon="download" disabled={isSaving} onClick={() => void download()}>
                {isSaving ? 'Loading…' : 'Download with files'}
              </Button>
              <PageLink
                href={lineageHref(place.collection, { trajectory_id: place.id })}
                className={buttonClass()}
                onClick={close}
              >
                <Icon name="branch" /> Lineage
              </PageLink>
              {mayWrite && (
                <Button
                  icon="plus"
                  onClick={() => {
                    close()
                    setAdding(true)
                  }}
                >
                  Add to a dataset
                </Button>
              )}
              {mayWrite && !isOpen(run) && (
                <Button
                  icon="bin"
                  onClick={() => {
                    close()
                    setDeleting(true)
                  }}
                >
                  Delete
                </Button>
              )}
            </div>
            {commandsFor(run, failedStep).map(({ title, line }) => (
              <div key={title} className="flex flex-col gap-1">
                <p className="text-12 text-muted">{title}</p>
                <CopyLine text={line} />
              </div>
            ))}
          </div>
        )}
      </Popover>
    </>
  )
}
