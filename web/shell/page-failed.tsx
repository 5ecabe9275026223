import { Problem } from '../parts/problem.tsx'

/** The page for an error that nothing else has caught. */
export const PageFailed = ({ error }: { error: unknown }) => (
  <main>
    <Problem error={error} onRetry={() => location.reload()} />
  </main>
)
