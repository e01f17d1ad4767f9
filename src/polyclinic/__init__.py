"""polyclinic"""
