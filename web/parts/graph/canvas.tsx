import { type KeyboardEvent, type ReactNode, useEffect, useId, useRef, useState } from 'react'
import { IconButton } from '../../ui/button.tsx'
import { boxHeight, boxWidth, type GraphLayout, linePath, nextBox } from './layout.ts'
import type { GraphEdge } from './run-graph.ts'

interface CanvasProps<Node extends { id: string }> {
  nodes: readonly Node[]
  edges: readonly GraphEdge[]
  layout: GraphLayout
  /** Boxes whose lines stand out. */
  near: ReadonlySet<string>
  /** What stands in a box. */
  children: (node: Node) => ReactNode
  /** What a box looks like and does. */
  boxOf: (node: Node) => { isChosen: boolean; title: string; isDashed?: boolean; onChoose: () => void }
  /** Said above the graph. */
  note?: ReactNode
  /** When this changes, the chosen box is brought into view. */
  follow?: string
}

const scales = [0.4, 0.6, 0.8, 1, 1.25]

/** Boxes and the lines between them, to scroll and to scale. Arrow keys go from box to box. */
export const GraphCanvas = <Node extends { id: string }>(props: CanvasProps<Node>) => {
  const { nodes, edges, layout, near, children, boxOf, note, follow } = props
  const [size, setSize] = useState(3)
  const scale = scales[size]!
  const box = useRef<HTMLDivElement>(null)
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new layout must not move what somebody looks at
  useEffect(() => {
    box.current?.querySelector('[aria-pressed=true]')?.scrollIntoView({ block: 'nearest', inline: 'nearest' })
  }, [follow])
  const onKeyDown = (event: KeyboardEvent) => {
    const { id } = (event.currentTarget as HTMLElement).dataset
    const next = id === undefined ? undefined : nextBox(layout.boxes, id, event.key)
    if (next === undefined) return
    event.preventDefault()
    event.stopPropagation()
    box.current?.querySelector<HTMLElement>(`[data-id="${CSS.escape(next)}"]`)?.focus()
  }
  return (
    <div className="relative flex min-h-0 flex-1 flex-col">
      {note && <p className="shrink-0 px-4 pt-2 text-12 text-muted">{note}</p>}
      <div ref={box} className="min-h-0 flex-1 overflow-auto">
        <div className="relative mx-auto" style={{ width: layout.width * scale, height: layout.height * scale }}>
          <div
            className="absolute top-0 left-0 origin-top-left"
            style={{ width: layout.width, height: layout.height, scale: `${scale}` }}
          >
            <Lines edges={edges} layout={layout} near={near} />
            {nodes.map((node) => {
              const { isChosen, title, isDashed, onChoose } = boxOf(node)
              const place = layout.boxes.get(node.id)
              return (
                <button
                  key={node.id}
                  data-id={node.id}
                  type="button"
                  aria-pressed={isChosen}
                  title={title}
                  onClick={onChoose}
                  onKeyDown={onKeyDown}
                  className={`absolute flex items-center gap-2 rounded-m border px-2.5 text-left ${isChosen ? 'border-accent bg-selection' : 'border-line bg-raised hover:border-edge'} ${isDashed ? 'border-dashed' : ''}`}
                  style={{ left: place?.x ?? 0, top: place?.y ?? 0, width: boxWidth, height: boxHeight }}
                >
                  {children(node)}
                </button>
              )
            })}
          </div>
        </div>
      </div>
      <div className="absolute right-3 bottom-3 flex rounded-m border border-line bg-raised">
        <IconButton icon="minus" label="Smaller" disabled={size === 0} onClick={() => setSize(size - 1)} />
        <IconButton
          icon="plus"
          label="Larger"
          disabled={size === scales.length - 1}
          onClick={() => setSize(size + 1)}
        />
      </div>
    </div>
  )
}

const Lines = ({ edges, layout, near }: Pick<CanvasProps<{ id: string }>, 'edges' | 'layout' | 'near'>) => {
  const arrow = useId()
  return (
    <svg width={layout.width} height={layout.height} className="absolute inset-0 fill-none" aria-hidden>
      <defs>
        <marker id={arrow} viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">
          <path d="M0 1l7 3-7 3z" className="fill-edge" />
        </marker>
      </defs>
      {edges.map(({ from, to, kind }, at) => (
        <path
          key={`${from}\n${to}`}
          d={linePath(layout.edges[at] ?? [])}
          markerEnd={`url(#${arrow})`}
          strokeDasharray={kind === 'after' ? '3 4' : undefined}
          className={near.has(from) || near.has(to) ? 'stroke-accent' : 'stroke-edge'}
        />
      ))}
    </svg>
  )
}
