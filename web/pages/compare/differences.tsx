import { Suspense } from 'react'
import type { ValueDifference } from '../../../src/model/runs/run-difference.ts'
import { lazyPart } from '../../data/server-away.ts'
import { pictureIn, valueAtPath } from './comparison.ts'
import { ImageSlider } from './image-slider.tsx'

const TextDiff = lazyPart(() => import('./text-diff.tsx'))

const mostPlaces = 20

/** Where two values differ, place by place. */
export const Differences = ({ difference, name }: { difference: ValueDifference; name: string }) => {
  const { left, right, paths, clipped, more_paths: more } = difference
  const places = clipped || paths.length === 0 ? [''] : paths.slice(0, mostPlaces)
  const pictures = [pictureIn(left), pictureIn(right)]
  const hasPictures = pictures[0] !== undefined && pictures[1] !== undefined && pictures[0] !== pictures[1]
  return (
    <div className="flex flex-col gap-2">
      {hasPictures && <ImageSlider left={pictures[0]!} right={pictures[1]!} />}
      <dl className="flex flex-col gap-1.5">
        {places.map((path) => (
          <div key={path}>
            <dt className="font-mono text-11 text-faint">
              {path === '' ? name : `${name}.${path}`.replace('.[', '[')}
            </dt>
            <dd className="max-h-80 overflow-auto">
              <OneDifference
                left={clipped ? left : valueAtPath(left, path)}
                right={clipped ? right : valueAtPath(right, path)}
              />
            </dd>
          </div>
        ))}
      </dl>
      {(more || paths.length > places.length) && !clipped && (
        <p className="text-12 text-muted">There are more places.</p>
      )}
      {clipped && <p className="text-12 text-muted">Only the beginnings are compared: the values are large.</p>}
    </div>
  )
}

/** A value as text: a text as it is, anything else as JSON. */
export const comparedText = (value: unknown): string =>
  typeof value === 'string' ? value : (JSON.stringify(value, null, 1) ?? '')

const OneDifference = ({ left, right }: { left: unknown; right: unknown }) => {
  if (left === undefined)
    return (
      <p className="whitespace-pre-wrap [overflow-wrap:anywhere]">
        {comparedText(right)} <em className="text-12 text-muted">only here</em>
      </p>
    )
  if (right === undefined)
    return (
      <p className="whitespace-pre-wrap text-muted [overflow-wrap:anywhere]">
        <del>{comparedText(left)}</del> <em className="text-12">only in the base</em>
      </p>
    )
  return (
    <Suspense fallback={<p className="whitespace-pre-wrap [overflow-wrap:anywhere]">{comparedText(right)}</p>}>
      <TextDiff left={comparedText(left)} right={comparedText(right)} />
    </Suspense>
  )
}
