import { endpoint } from '../../http/endpoint.ts'

export const metricsContract = {
  getMetrics: endpoint({
    method: 'GET',
    path: '/metrics',
    summary: 'Counts and times of this process, as Prometheus reads them',
    tag: 'Server',
    access: 'admin',
    response: 'text',
  }),
}
