import { Problem } from '../../../parts/problem.tsx'
import { PreviewTable, runsText } from './preview.tsx'
import type { usePreview } from './use-preview.ts'

interface EffectProps {
  preview: ReturnType<typeof usePreview>
  isChanged: boolean
  isWrong: boolean
}

/** What the rules delete, as far as it is counted. */
export const Effect = ({ preview, isChanged, isWrong }: EffectProps) => {
  const { data, error, isCurrent } = preview
  const said = (): string => {
    if (isWrong) return 'Correct the rules above first.'
    if (!isCurrent || !data) return error ? '' : 'Counting…'
    if (data.runs === 0) return 'No run.'
    return `${runsText(data)}, within a quarter of an hour${isChanged ? ' after you save' : ''}.`
  }
  return (
    <section aria-labelledby="effect" aria-busy={!isCurrent} className="flex flex-col gap-2">
      <h2 id="effect" className="font-semibold text-15">
        What {isChanged ? 'these rules would' : 'the saved rules'} delete now
      </h2>
      <p aria-live="polite" className={isCurrent ? '' : 'text-muted'}>
        {said()}
      </p>
      {!isWrong && data && data.runs > 0 && <PreviewTable preview={data} />}
      {error && <Problem error={error} onRetry={() => void preview.refetch()} />}
    </section>
  )
}
