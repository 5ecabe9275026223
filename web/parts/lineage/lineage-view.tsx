import { useQuery } from '@tanstack/react-query'
import { useMemo, useState } from 'react'
import { api } from '../../data/api.ts'
import { Empty } from '../../ui/empty.tsx'
import { Icon, type IconName } from '../../ui/icon.tsx'
import { StatusMark, statusWord } from '../../ui/status.tsx'
import { GraphCanvas } from '../graph/canvas.tsx'
import { layoutOf } from '../graph/layout.ts'
import { Problem } from '../problem.tsx'
import { BoxFacts } from './box-facts.tsx'
import { foldLineage, moreAlike } from './fold.ts'
import { drawLineage, type Lineage, type LineageBox } from './lineage-boxes.ts'

/** What a lineage begins with: one of these, or an item of a dataset. */
export interface LineageOf {
  file?: string
  trajectory_id?: string
  dataset?: string
  item?: string
  model?: string
}

/** What something came from and what came of it, as the server wrote it down, drawn from the top down. */
const LineageView = ({ collection, of }: { collection: string; of: LineageOf }) => {
  const { data, error, refetch } = useQuery({
    queryKey: ['lineage', collection, of],
    queryFn: ({ signal }) => api.getLineage({ params: { collection }, query: of, signal }),
  })
  if (error) return <Problem error={error} onRetry={() => void refetch()} />
  if (!data) return <p className="p-4 text-muted">Loading…</p>
  if (data.edges.length === 0) {
    return (
      <Empty title="Nothing is known of it yet">
        The server draws this from what runs do: a batch over a dataset, a step that registers a dataset or model,
        files, and items that were made from runs.
      </Empty>
    )
  }
  return <Drawn collection={collection} lineage={data} />
}

const Drawn = ({ collection, lineage }: { collection: string; lineage: Lineage }) => {
  const [opened, setOpened] = useState<ReadonlyMap<string, number>>(new Map())
  const [chosen, choose] = useState<string>()
  const drawing = useMemo(() => drawLineage(lineage), [lineage])
  const { boxes, edges, left } = useMemo(() => foldLineage(drawing, opened), [drawing, opened])
  const layout = useMemo(() => layoutOf({ nodes: boxes, edges }), [boxes, edges])
  const box = boxes.find(({ id }) => id === chosen)
  const unfold = ({ id, count }: LineageBox) => {
    if (count > 1) setOpened((was) => new Map(was).set(id, (was.get(id) ?? 0) + moreAlike))
    choose(id)
  }
  const notes = [
    left > 0 ? `${left.toLocaleString('en')} more are not drawn: begin at one of the boxes.` : '',
    lineage.is_complete ? '' : 'There is more than these, the newest.',
  ].filter((note) => note !== '')
  return (
    <div className="flex min-h-0 flex-1 flex-col">
      <GraphCanvas
        nodes={boxes}
        edges={edges}
        layout={layout}
        near={new Set(chosen === undefined ? [] : [chosen])}
        boxOf={(one) => ({
          isChosen: one.id === chosen,
          title: one.count > 1 ? `${one.label} ${one.detail}: show ${Math.min(moreAlike, one.count)}` : one.label,
          isDashed: one.count > 1,
          onChoose: () => unfold(one),
        })}
        follow={`${chosen} ${opened.get(chosen ?? '') ?? 0}`}
        note={notes.length > 0 && notes.join(' ')}
      >
        {(one) => <BoxText box={one} />}
      </GraphCanvas>
      {box && <BoxFacts collection={collection} box={box} edges={lineage.edges} onClose={() => choose(undefined)} />}
    </div>
  )
}

const icons: Record<LineageBox['type'], IconName> = {
  ...{ dataset: 'rows', dataset_version: 'rows', item: 'label', run: 'play', batch: 'play', task: 'branch' },
  ...{ task_version: 'branch', file: 'download', model: 'bookmark', score: 'tick' },
}

const BoxText = ({ box: { type, label, detail, status, isStale } }: { box: LineageBox }) => (
  <>
    {status === undefined ? (
      <Icon name={icons[type]} className="text-muted" />
    ) : (
      <StatusMark of={status} label={statusWord(status)} />
    )}
    <span className="min-w-0 flex-1">
      <span className="block truncate leading-4">{label}</span>
      <span className={`block truncate text-11 leading-3.5 ${isStale ? 'font-medium text-text' : 'text-muted'}`}>
        {detail}
      </span>
    </span>
  </>
)

export default LineageView
